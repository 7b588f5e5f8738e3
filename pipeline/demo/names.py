"""The names of the built-in views."""

from __future__ import annotations

VIEW_NAMES = ("lobby", "corridor", "yard")


def demo_views() -> list[str]:
    """Return the names of the demo cameras, usable as `demo:<name>`."""
    return list(VIEW_NAMES)
