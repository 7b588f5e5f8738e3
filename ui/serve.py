"""Serving the page: on this machine only, unless there is a login."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from pipeline.clips import ClipCutter
from pipeline.config import ConfigError, UiConfig, is_loopback
from pipeline.search import PersonDetector, SearchService
from storage.media import CROPS
from storage.store import Store
from ui.app import build_app
from ui.local_only import LocalOnly
from ui.theme import STYLE, theme

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
MAX_UPLOAD = "25mb"


@dataclass
class RunningUi:
    """A page that is being served.

    Attributes:
        url: address for a browser.
    """

    url: str
    _blocks: gr.Blocks
    _uploads: Path

    def wait(self) -> None:
        """Serve until Ctrl-C, then close."""
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop serving and remove the uploads."""
        self._blocks.close(verbose=False)
        shutil.rmtree(self._uploads, ignore_errors=True)


def serve(
    store: Store,
    service: SearchService,
    detector: PersonDetector,
    config: UiConfig,
    *,
    clips: ClipCutter | None = None,
    open_browser: bool = False,
) -> RunningUi:
    """Start the page in the background; call `RunningUi.wait` to stay in the foreground.

    Only crops and clips of the media folder can be fetched through it.

    Args:
        store: the archive.
        service: the search over it.
        detector: loaded; finds people in the operator's picture.
        config: address and login.
        clips: cuts clips; None uses the defaults of `ClipCutter`.
        open_browser: show the page in the operator's browser.

    Raises:
        ConfigError: the address can be reached by others and there is no login, the password's
            environment variable is empty, or the port is taken.
    """
    login = login_of(config)
    cutter = clips or ClipCutter(store)
    uploads = _private_uploads()
    blocks = build_app(store, service, detector, config, clips=cutter)
    try:
        _launch(blocks, config, login, [store.media.root.resolve() / CROPS, cutter.folder])
    except OSError as error:
        shutil.rmtree(uploads, ignore_errors=True)
        raise ConfigError(
            f"ui.port: {config.host}:{config.port} cannot be used: {error}; choose another port"
        ) from error
    url = page_url(config)
    if open_browser:
        webbrowser.open(url)
    return RunningUi(url, blocks, uploads)


_OFFLINE: dict[str, Any] = {
    "share": False,
    "inbrowser": False,
    "quiet": True,
    "prevent_thread_lock": True,
    "show_error": False,
    "ssr_mode": False,
    "pwa": False,
    "mcp_server": False,
    "enable_monitoring": False,
    "run_history": False,
}


def _launch(
    blocks: gr.Blocks, config: UiConfig, login: tuple[str, str] | None, folders: list[Path]
) -> None:
    """Serve in the background; files are handed out from `folders` only."""
    blocks.launch(
        server_name=config.host,
        server_port=config.port,
        auth=[login] if login else None,
        auth_message="Crosswalk: please sign in.",
        allowed_paths=[str(folder) for folder in folders],
        max_file_size=MAX_UPLOAD,
        app_kwargs={"middleware": [_guard(config)], "docs_url": None, "redoc_url": None},
        theme=theme(),
        css_paths=STYLE,
        footer_links=[],
        **_OFFLINE,
    )


def page_url(config: UiConfig) -> str:
    """Address for a browser on this machine; that of a page for everybody is the loopback one."""
    shown = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{config.port}/"


def login_of(config: UiConfig) -> tuple[str, str] | None:
    """Return name and password, or None for a page on this machine that needs none.

    Raises:
        ConfigError: others can reach the address and there is no login, or the environment
            variable of the password is not set.
    """
    if config.username is None or config.password_env is None:
        if not is_loopback(config.host):
            raise ConfigError(
                f"ui.host: {config.host} can be reached by others; "
                "set ui.username and ui.password_env, or use 127.0.0.1"
            )
        return None
    password = os.environ.get(config.password_env, "")
    if not password:
        raise ConfigError(
            f"ui.password_env: the environment variable {config.password_env} is empty; "
            f"set it to the password of {config.username}"
        )
    return config.username, password


def _guard(config: UiConfig) -> Middleware:
    """Without login only names of this machine are answered."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    names = frozenset({*_LOOPBACK_NAMES, host.lower()}) if config.username is None else None
    return Middleware(LocalOnly, hosts=names)


def _private_uploads() -> Path:
    """Send uploads to a folder that only this user can read, and switch telemetry off."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="crosswalk-ui-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder
