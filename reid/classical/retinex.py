"""Multiscale Retinex with colour restoration: the same clothes under different lamps.

Source: Jobson, Rahman & Woodell, "A Multiscale Retinex for Bridging the Gap Between Color
Images and the Human Observation of Scenes", IEEE TIP 1997; scales and automatic gain and offset
as in Liao et al., CVPR 2015, section 3.1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIGMAS = (5.0, 20.0)
"""Surrounds in pixels of a 128 x 48 picture (Liao et al.)."""
_ALPHA = 125.0
_CUT_PERCENT = (1, 99)


def multiscale_retinex(
    image_rgb: NDArray[np.uint8], sigmas: tuple[float, ...] = SIGMAS
) -> NDArray[np.float32]:
    """(H, W, 3) uint8 RGB -> (H, W, 3) float32 RGB in 0..255.

    With I = pixel + 1 and F the Gaussian surround, for each channel c

        MSR_c = mean over sigma of log I_c - log (F_sigma * I_c)
        R_c   = MSR_c · log(125 I_c / sum over channels of I)

    Jobson's fixed gain and offset are replaced by the ones that stretch R linearly so that its
    1st and 99th percentiles become 0 and 255 (what is beyond is cut: a few extreme pixels must
    not take the range from the others). They are the same for the three channels, so that
    colours stay what they are, and the factor beta of the colour restoration cancels in them.
    A picture of one colour has nothing to stretch and becomes black.

    Args:
        sigmas: surrounds in pixels; larger ones keep more of the tones, smaller ones flatten
            the light more.

    Raises:
        ValueError: not an (H, W, 3) uint8 picture, or no sigma above 0.
    """
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or not image_rgb.size:
        raise ValueError(f"an (H, W, 3) picture is expected, not {image_rgb.shape}")
    if image_rgb.dtype != np.uint8:
        raise ValueError(f"a uint8 picture is expected, not {image_rgb.dtype}")
    if not sigmas or min(sigmas) <= 0:
        raise ValueError(f"sigmas {sigmas} must be above 0")
    light = image_rgb.transpose(2, 0, 1).astype(np.float32) + np.float32(1)
    height, width = light.shape[1:]
    logs = np.log(light)
    ratio = np.zeros_like(light)
    for sigma in sigmas:
        surround = _blur_matrix(height, sigma) @ light @ _blur_matrix(width, sigma).T
        ratio += logs - np.log(surround)
    restored = ratio / len(sigmas) * (math.log(_ALPHA) + logs - np.log(light.sum(0)))
    return _stretched(restored).transpose(1, 2, 0)


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear to 0..255 over all channels; rounding noise of a flat picture stays black."""
    low, high = (float(edge) for edge in np.percentile(values, _CUT_PERCENT))
    if high - low < 1e-4:
        return np.zeros_like(values)
    return np.clip((values - low) * (255 / (high - low)), 0, 255).astype(np.float32)


@lru_cache(maxsize=16)
def _blur_matrix(size: int, sigma: float) -> NDArray[np.float32]:
    """(size, size): Gaussian weights between pixels, each row of sum 1.

    Pixels outside the picture have no weight, so that the border needs no padding.
    """
    offsets = np.subtract.outer(np.arange(size), np.arange(size))
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
