"""Features of pictures at three granularities: instance, parts, pixels (PGR)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.errors import ReidError
from reid.network import Outputs, ReidNetwork


@dataclass(frozen=True)
class PyramidFeatures:
    """Features of N pictures at three granularities.

    One picture at the defaults of the head `pgr` (D = 1024, K = 6, d = 256, C = 64, 16 x 8 pixels)
    takes 26,904 bytes, so Market-1501's 19,281 query and gallery pictures 0.48 GiB.

    Attributes:
        global_features: (N, D) float32, rows of length 1.
        part_features: (N, K, d) float32, vectors of length 1.
        part_visibility: (N, K) float32 in 0..1.
        pixels: (N, C, h, w) float16, vectors of length 1 along C.
        foreground: (N, h, w) float16 in 0..1.

    Raises:
        ValueError: shapes do not fit each other.
    """

    global_features: NDArray[np.float32]
    part_features: NDArray[np.float32]
    part_visibility: NDArray[np.float32]
    pixels: NDArray[np.float16]
    foreground: NDArray[np.float16]

    def __post_init__(self) -> None:
        for field, axes in zip(fields(self), (2, 3, 2, 4, 3), strict=True):
            shape = getattr(self, field.name).shape
            if len(shape) != axes or shape[0] != len(self.global_features):
                raise ValueError(f"{field.name}: shape {shape} is not of {len(self)} pictures")
        if self.part_visibility.shape != self.part_features.shape[:2]:
            raise ValueError("part_visibility: not one per part")
        if self.foreground.shape[1:] != self.pixels.shape[2:]:
            raise ValueError("foreground: not one per pixel")

    def __len__(self) -> int:
        return len(self.global_features)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def pyramid_of(outputs: Outputs) -> PyramidFeatures:
    """What a head with parts, pixels and foreground says about a batch.

    Raises:
        ReidError: the head lacks one of them.
    """
    if outputs.parts is None or not {"pixels", "foreground"} <= outputs.extras.keys():
        raise ReidError("head: progressive retrieval needs parts, pixels and foreground (pgr)")
    seen = outputs.visibility
    return PyramidFeatures(
        _array(outputs.embedding, np.float32),
        _array(outputs.parts, np.float32),
        _array(torch.ones_like(outputs.parts[:, :, 0]) if seen is None else seen, np.float32),
        _array(outputs.extras["pixels"], np.float16),
        _array(outputs.extras["foreground"], np.float16),
    )


@torch.inference_mode()
def pyramid_features(network: ReidNetwork, batches: Iterable[Tensor]) -> PyramidFeatures:
    """Features of all pictures of some batches, each (B, 3, H, W) and normalised.

    Args:
        network: in evaluation mode, on the device of the batches.

    Raises:
        ReidError: no batch, or a head without parts, pixels or foreground.
    """
    found = [pyramid_of(network.outputs(images)) for images in batches]
    if not found:
        raise ReidError("progressive retrieval: no pictures")
    return joined_pyramids(found)


def joined_pyramids(found: list[PyramidFeatures]) -> PyramidFeatures:
    """Features of one network, one after the other."""
    return PyramidFeatures(
        *(np.concatenate([getattr(one, f.name) for one in found]) for f in fields(PyramidFeatures))
    )


def _array(values: Tensor, dtype: type[np.floating]) -> NDArray:
    return values.detach().float().cpu().numpy().astype(dtype)
