"""Scale invariant local ternary pattern: texture that ignores how bright the light is.

Source: Liao et al., "Modeling Pixel Process with Scale Invariant Local Patterns for Background
Subtraction in Complex Scenes", CVPR 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CODES = 3**4
_STEPS = ((0, 1), (-1, 0), (0, -1), (1, 0))
"""(down, right) of the four neighbours: right, up, left, down."""


def siltp_codes(grey: NDArray[np.floating], radius: int, tau: float = 0.3) -> NDArray[np.uint8]:
    """(H, W) intensities >= 0 -> (H, W) codes in 0..80.

    Code = sum over the 4 neighbours k = 0..3 (right, up, left, down, `radius` pixels away) of
    3^k · s_k with

        s_k = 1 if I_k > (1 + tau) I_c,   2 if I_k < (1 - tau) I_c,   0 otherwise.

    A factor on all intensities does not change it. Outside the picture its border is repeated.

    Args:
        radius: pixels; larger ones see coarser texture.
        tau: 0..1, tolerance; raising it ignores more noise, and more texture.

    Raises:
        ValueError: not an (H, W) picture of floats, radius below 1, or tau not in 0..1.
    """
    if grey.ndim != 2 or not grey.size or not np.issubdtype(grey.dtype, np.floating):
        raise ValueError(f"(H, W) floats are expected, not {grey.shape} {grey.dtype}")
    if radius < 1 or not 0 <= tau < 1:
        raise ValueError(f"radius {radius} must be at least 1 and tau {tau} in 0..1")
    height, width = grey.shape
    padded = np.pad(grey, radius, mode="edge")
    upper, lower = grey * grey.dtype.type(1 + tau), grey * grey.dtype.type(1 - tau)
    codes = np.zeros(grey.shape, np.uint8)
    for k, (down, right) in enumerate(_STEPS):
        top, left = radius * (1 + down), radius * (1 + right)
        near = padded[top : top + height, left : left + width]
        codes += np.uint8(3**k) * (near > upper)
        codes += np.uint8(2 * 3**k) * (near < lower)
    return codes
