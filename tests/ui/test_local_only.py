"""The guard in front of the page: whose requests get through, and with which headers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ui.local_only import POLICY, LocalOnly, host_name

HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Whatever is behind the guard."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"page"})
    else:
        await send({"type": f"{scope['type']}.answer"})


def ask(
    path: str = "/", host: bytes | None = b"localhost", *, kind: str = "http", guarded: bool = True
) -> list[dict[str, Any]]:
    """What a request gets back."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    headers = [] if host is None else [(b"host", host)]
    scope = {"type": kind, "path": path, "headers": headers, "method": "GET"}
    guard = LocalOnly(page, HOSTS if guarded else None)
    asyncio.run(guard(scope, receive, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:7860", b"127.0.0.1:1", b"[::1]:80"])
def test_names_of_this_machine_are_answered(host: bytes) -> None:
    start, body = ask(host=host)
    assert (start["status"], body["body"]) == (200, b"page")


@pytest.mark.parametrize(
    "host",
    [None, b"", b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"[::2]"],
)
def test_other_names_are_refused_unless_there_is_a_login(host: bytes | None) -> None:
    start, body = ask(host=host)
    assert start["status"] == 403
    assert b"address that the program has printed" in body["body"]
    assert ask(host=host, guarded=False)[0]["status"] == 200


def test_every_answer_carries_the_policy_and_keeps_its_own_headers() -> None:
    headers = dict(ask()[0]["headers"])
    assert headers[b"content-security-policy"].decode() == POLICY
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"x-own"] == b"1"


@pytest.mark.parametrize("directive", POLICY.split("; "))
def test_the_policy_names_no_other_server(directive: str) -> None:
    for source in directive.split()[1:]:
        assert source.startswith("'") or source in ("data:", "blob:")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://10.0.0.1/x",
        "/gradio_api/file=HTTPS://10.0.0.1/x",
        "/gradio_api/file=http%3A//10.0.0.1/x",
        "/gradio_api/file%3Dhttp://10.0.0.1/x",
        "/gradio_api/file%253Dhttp://10.0.0.1/x",
        "/file/http://10.0.0.1/x",
        "/gradio_api/proxy=http://10.0.0.1/",
    ],
)
@pytest.mark.parametrize("guarded", [True, False])
def test_nothing_is_fetched_for_visitors(path: str, guarded: bool) -> None:
    start, body = ask(path, guarded=guarded)
    assert start["status"] == 403
    assert b"fetches nothing" in body["body"]


@pytest.mark.parametrize("path", ["/", "/gradio_api/file=/media/crops/a.jpg", "/http://x"])
def test_ordinary_addresses_pass(path: str) -> None:
    assert ask(path)[0]["status"] == 200


def test_what_is_no_request_passes_unseen() -> None:
    assert ask(kind="lifespan", host=None) == [{"type": "lifespan.answer"}]


def test_a_websocket_of_another_name_is_refused_too() -> None:
    assert ask(kind="websocket") == [{"type": "websocket.answer"}]
    refused = ask(kind="websocket", host=b"evil.example")
    assert {"type": "websocket.answer"} not in refused


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b" Host:1 ", "host"), (b"a.b:80:90", "a.b"), (b"[fe80::1]:8", "[fe80::1]"), (b"\xe9", "é")],
)
def test_host_names_lose_their_port(value: bytes, expected: str) -> None:
    assert host_name({"headers": [(b"host", value)]}) == expected


def test_a_host_that_opens_a_bracket_and_never_closes_it_is_refused() -> None:
    assert ask(host=b"[::1")[0]["status"] == 403
