"""Keeps the page on this machine: nothing is fetched elsewhere, nobody else's page gets in."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode("ascii")),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class LocalOnly:
    """ASGI middleware.

    - A content security policy lets browsers load from this server only.
    - Addresses that would make the server fetch something for the visitor are refused.
    - With ``hosts`` the Host header must be one of them, so that a web site elsewhere cannot
      reach a page without login through a name that points to this machine.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> str:
        path = unquote(unquote(scope["path"])).lower()
        if "/file=http" in path or "/file/http" in path or "/proxy=" in path:
            return "This server fetches nothing from elsewhere."
        if self._hosts is not None and host_name(scope) not in self._hosts:
            return "Open this page under the address that the program has printed."
        return ""


def host_name(scope: dict[str, Any] | Scope) -> str:
    """Return the Host header without its port, lower case; empty without one."""
    for name, value in scope["headers"]:
        if name == b"host":
            text = value.decode("latin-1").strip().lower()
            end = text.find("]") + 1
            return text[:end] if text.startswith("[") and end else text.split(":")[0]
    return ""
