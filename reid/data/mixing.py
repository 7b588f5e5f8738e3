"""Pictures of nobody, for learning what a teacher says of them.

"Function matching" (Beyer et al., "Knowledge distillation: a good teacher is patient and
consistent", CVPR 2022): a student learns more from a teacher on a wide range of pictures,
blended ones included, as long as both see exactly the same picture.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.data.augment import AugmentConfig, augment

_VARIED = AugmentConfig(
    shift=0.1, scale=0.12, colour=0.25, grey=0.02, blur=0.3, erase=0.15, truncate=0.1
)
_PLAIN, _BLENDED = 0.4, 0.7
"""Below the first a single picture, below the second two blended, else two cut across."""
_CHUNK = 512


def mixed_pictures(
    own: NDArray[np.uint8],
    others: NDArray[np.uint8],
    count: int,
    seed: int,
    others_share: float = 0.4,
) -> NDArray[np.uint8]:
    """Varied, blended and recombined pictures: (count, H, W, 3) uint8 RGB, a function of `seed`.

    Args:
        own: (N, H, W, 3) uint8 RGB training pictures. others: (M, H, W, 3) of anybody; M may be 0.
        others_share: probability that a picture comes from `others`.
    """
    rng = np.random.default_rng([seed, 3])
    generator = torch.Generator().manual_seed(seed)
    found = np.empty((count, *own.shape[1:]), np.uint8)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        first, second = (
            augment(_drawn(own, others, size, others_share, rng), _VARIED, generator)
            for _ in range(2)
        )
        mixed = first + _weight(rng, size, own.shape[1]) * (second - first)
        picture = (mixed.permute(0, 2, 3, 1) * 255).round().clamp(0, 255)
        found[start : start + size] = picture.to(torch.uint8).numpy()
    return found


def _drawn(
    own: NDArray[np.uint8],
    others: NDArray[np.uint8],
    count: int,
    others_share: float,
    rng: np.random.Generator,
) -> Tensor:
    """(count, 3, H, W) in 0..1."""
    picked = own[rng.integers(len(own), size=count)]
    if len(others):
        replaced = rng.random(count) < others_share
        picked[replaced] = others[rng.integers(len(others), size=int(replaced.sum()))]
    return torch.from_numpy(picked).permute(0, 3, 1, 2).float() / 255


def _weight(rng: np.random.Generator, count: int, height: int) -> Tensor:
    """How much of the second picture is seen in each row: (count, 1, H, 1)."""
    kind = rng.random(count)[:, None]
    blend = rng.uniform(0.2, 0.8, count)[:, None]
    border = rng.uniform(0.25, 0.75, count)[:, None] * height
    below = (np.arange(height)[None] >= border).astype(np.float64)
    weight = np.where(kind < _PLAIN, 0.0, np.where(kind < _BLENDED, blend, below))
    return torch.from_numpy(weight.astype(np.float32))[:, None, :, None]
