"""Remove passwords from addresses and settings before they are stored."""

from __future__ import annotations

import re
from typing import Any

_USERINFO = re.compile(r"(?i)(\b[a-z][a-z0-9+.\-]*://)[^/?#\s]*@")
_SECRET = r"(?:pass(?:word|wd)?|pwd|secret|token|api_?key|auth|access_?key|user(?:name)?)"
_QUERY = re.compile(rf"(?i)([?&;]{_SECRET}=)[^&;#\s]*")
_SECRET_KEY = re.compile(rf"(?i)^(?:.*_)?{_SECRET}$")


def without_credentials(address: str) -> str:
    """Return ``address`` without user, password and secret query values.

    Anything that is no URL (a path, a webcam index) comes back unchanged.
    """
    if "://" not in address:
        return address
    return _QUERY.sub(r"\1***", _USERINFO.sub(r"\1", address))


def redacted(value: Any) -> Any:
    """Return JSON-like ``value`` with credentials removed at every depth."""
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, dict):
        return {
            str(key): "***"
            if isinstance(item, str) and _SECRET_KEY.match(str(key))
            else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value
