"""A colour for every id, far from that of its neighbours."""

from __future__ import annotations

import colorsys

_GOLDEN = 0.61803398875
_SHADES = ((0.85, 0.95), (0.55, 0.95), (0.9, 0.7))
"""Saturation and value, in turn."""


def colour_bgr(number: int) -> tuple[int, int, int]:
    """The colour of an id, always the same; hues follow the golden ratio."""
    saturation, value = _SHADES[number % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, saturation, value)
    return round(255 * blue), round(255 * green), round(255 * red)
