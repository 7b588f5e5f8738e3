"""Who may open the page, and which files it hands out."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import ConfigError, UiConfig
from ui.context import Context
from ui.local_only import POLICY, LocalOnly, host_name
from ui.serve import RunningUi, login_of, page_url, serve


def start(context: Context, config: UiConfig) -> RunningUi:
    """Serve the demo's archive."""
    return serve(context.store, context.service, context.detector, config, clips=context.clips)


def get(url: str, **headers: str) -> tuple[int, str, bytes]:
    """Status, policy header and body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            policy = answer.headers.get("content-security-policy", "")
            return answer.status, policy, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("content-security-policy", ""), error.read()


@pytest.fixture
def page(context: Context, config: UiConfig) -> Iterator[RunningUi]:
    """The page without login."""
    running = start(context, config)
    yield running
    running.close()


def test_only_crops_and_clips_are_served(page: RunningUi, context: Context) -> None:
    url = page.url + "gradio_api/file="
    crop = context.store.identities()[0].crop_path
    assert crop is not None
    clip = context.clips.cut("lobby-1").path
    status, policy, body = get(f"{url}{context.media / crop}")
    assert (status, policy) == (200, POLICY)
    assert body[:2] == b"\xff\xd8"
    assert get(f"{url}{clip}")[0] == 200
    secret = context.media / "secret.txt"
    secret.write_text("hush-hush")
    database = context.media.parent / "store" / "crosswalk.db"
    assert database.exists()
    for path in (secret, database, Path("/etc/passwd"), context.media / "crops/../secret.txt"):
        status, _, body = get(f"{url}{path}")
        assert status in (403, 404)
        assert b"hush-hush" not in body


def test_the_server_fetches_nothing_for_visitors(page: RunningUi) -> None:
    for path in ("gradio_api/file=http://127.0.0.1:9/x", "gradio_api/file=HTTPS%3A//127.0.0.1/"):
        status, _, body = get(page.url + path)
        assert status == 403
        assert b"fetches nothing" in body


def test_other_names_of_this_machine_are_refused(page: RunningUi) -> None:
    assert get(page.url)[0] == 200
    assert get(page.url, Host="evil.example")[0] == 403
    assert get(page.url, Host="localhost:7860")[0] == 200


def test_the_page_names_no_other_server(page: RunningUi) -> None:
    body = get(page.url)[2].decode()
    for tag in ('<script src="http', '<link rel="stylesheet" href="http', "fonts.googleapis"):
        assert tag not in body
    assert '"analytics_enabled":false' in body.replace(" ", "").lower()


def test_a_taken_port_is_said(page: RunningUi, context: Context, config: UiConfig) -> None:
    with pytest.raises(ConfigError, match=f"{config.port} cannot be used.*another port"):
        start(context, config)


def test_with_a_login_nothing_is_served_without_it(
    context: Context, config: UiConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWALK_UI_PASSWORD", "hush")
    login = {"username": "ada", "password_env": "CROSSWALK_UI_PASSWORD"}
    running = start(context, config.model_copy(update=login))
    try:
        crop = context.store.identities()[0].crop_path
        assert get(f"{running.url}gradio_api/file={context.media}/{crop}")[0] == 401
        assert b"lobby" not in get(running.url)[2]
    finally:
        running.close()


def test_uploads_are_removed_at_the_end(context: Context, config: UiConfig) -> None:
    running = start(context, config)
    folder = running._uploads
    assert folder.stat().st_mode & 0o077 == 0
    running.close()
    assert not folder.exists()


def test_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert login_of(UiConfig()) is None
    open_to_all = UiConfig.model_construct(
        host="0.0.0.0", port=7860, username=None, password_env=None
    )
    with pytest.raises(ConfigError, match=r"ui.host: 0.0.0.0 can be reached by others"):
        login_of(open_to_all)
    named = UiConfig(host="0.0.0.0", username="ada", password_env="CROSSWALK_PW")
    monkeypatch.delenv("CROSSWALK_PW", raising=False)
    with pytest.raises(ConfigError, match="CROSSWALK_PW is empty"):
        login_of(named)
    monkeypatch.setenv("CROSSWALK_PW", "hush")
    assert login_of(named) == ("ada", "hush")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860/"),
        ("localhost", "http://localhost:7860/"),
        ("::1", "http://[::1]:7860/"),
        ("0.0.0.0", "http://127.0.0.1:7860/"),
        ("::", "http://127.0.0.1:7860/"),
        ("192.168.1.5", "http://192.168.1.5:7860/"),
    ],
)
def test_the_address_that_a_browser_is_given(host: str, url: str) -> None:
    assert page_url(UiConfig.model_construct(host=host, port=7860)) == url


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"LOCALHOST:1", "localhost"), (b"[::1]:80", "[::1]"), (b"127.0.0.1", "127.0.0.1")],
)
def test_host_names(host: bytes, name: str) -> None:
    assert host_name({"headers": [(b"accept", b"*"), (b"host", host)]}) == name
    assert host_name({"headers": []}) == ""


def test_without_a_list_every_host_is_answered() -> None:
    guard = LocalOnly(lambda *_: None, None)  # type: ignore[arg-type,return-value]
    assert guard._refusal({"type": "http", "path": "/", "headers": []}) == ""
    assert guard._refusal({"type": "http", "path": "/proxy=http://x", "headers": []})
