"""Small pieces of HTML; whatever comes from outside is escaped here."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

_PREVIEW_SIDE_PX = 900

CLICKS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (button) trigger('click', {action: button.dataset.action, value: button.dataset.value});
});
"""
"""Tells the server what was clicked: the nearest ``data-action`` and its ``data-value``."""


def esc(text: object) -> str:
    """Escape for HTML text and attributes, and for the component's own ``${}`` templates."""
    escaped = html.escape(str(text), quote=True)
    return escaped.replace("$", "&#36;").replace("{", "&#123;").replace("}", "&#125;")


def file_url(path: Path) -> str:
    """Return the address of a file of the media folder, relative to the page."""
    return "gradio_api/file=" + quote(str(path))


def image_data(image_bgr: NDArray[np.uint8]) -> str:
    """Return an (H, W, 3) uint8 BGR picture as a data address, so that no copy is stored.

    It is scaled down to at most 900 pixels.
    """
    height, width = image_bgr.shape[:2]
    scale = min(1.0, _PREVIEW_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def count_of(number: int, word: str, plural: str | None = None) -> str:
    """Return a number and what is counted, such as ``1 sighting`` or ``2 people``."""
    return f"{number} {word if number == 1 else plural or word + 's'}"


def empty(text: str) -> str:
    """Return a quiet sentence where content will be."""
    return f'<div class="cw-empty">{esc(text)}</div>'


def problem(text: str) -> str:
    """Return a sentence about something that did not work."""
    return f'<div class="cw-problem" role="alert">{esc(text)}</div>'


def notice(text: str | None) -> str:
    """Return a sentence worth knowing; nothing for None."""
    return f'<div class="cw-notice" role="status">{esc(text)}</div>' if text else ""


def button(action: str, value: object, label: str, style: str = "cw-link") -> str:
    """Return a button that reports ``action`` and ``value``."""
    data = f'data-action="{esc(action)}" data-value="{esc(value)}"'
    return f'<button type="button" class="{style}" {data}>{esc(label)}</button>'
