"""Progressive retrieval: rank by instance, then the best with parts, the best of those with pixels.

Source: PGR (Dou et al., ICASSP 2022, poster): "We first use the instance similarity to rank the
gallery. Then we gradually add the part- and pixel-level metric to re-rank the gallery and narrow
it down."
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reid.errors import ReidError
from reid.pixel_matching import pixel_similarity
from reid.pyramid import PyramidFeatures

_GROUP_GAP = 2.0
"""The largest distance of a stage: 1 - cosine."""

Weights = tuple[float, float, float]


def part_distance(
    parts: NDArray[np.float32],
    visibility: NDArray[np.float32],
    other_parts: NDArray[np.float32],
    other_visibility: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Mean of 1 - cosine over the parts, weighted by the product of both visibilities.

    (K, d) and (K,) of one picture against (N, K, d) and (N, K) -> (N,) float64 in 0..2; NaN where
    no part is visible in both.
    """
    cosines = np.einsum("kd,nkd->nk", parts, other_parts, dtype=np.float64)
    weights = visibility.astype(np.float64) * other_visibility
    total = weights.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights * (1 - cosines)).sum(1) / total
    return np.where(total > 0, mean, np.nan)


def progressive_distances(
    query: PyramidFeatures,
    gallery: PyramidFeatures,
    *,
    n1: int = 200,
    n2: int = 50,
    weights: Weights = (1.0, 1.0, 1.0),
    foreground_threshold: float = 0.5,
    device: str | torch.device = "cpu",
) -> NDArray[np.float32]:
    """(Q, G) float32 whose order in each row is the progressive one, without ties.

    With the instance distance d_i = 1 - cosine, `part_distance` d_p and d_x = 1 - the pixel
    similarity, and weights w_i, w_p, w_x:

    1. The gallery is ranked by d_i.
    2. The best n1 are ranked again by (w_i d_i + w_p d_p) / (w_i + w_p); d_i stands for d_p where
       no part is visible in both pictures.
    3. The best n2 of those are ranked again by (w_i d_i + w_p d_p + w_x d_x) / (w_i + w_p + w_x);
       the distance of step 2 stands for d_x where a picture has no foreground.

    A value is the distance of the last step that the picture reached, + 2 for those that
    reached only step 2 and + 4 for those that reached only step 1. Equal distances keep the order
    of the step before, in the end that of the gallery; a value is then raised by the
    smallest float32 step, so that any way of sorting gives this order.

    Args:
        n1, n2: n2 <= n1; raising them costs time. n1 = 1 or n2 = 1 changes nothing.
        weights: (w_i, w_p, w_x), each >= 0 and w_i + w_p > 0.
        foreground_threshold: see `pixel_similarity`. device: where pixels are compared.

    Raises:
        ReidError: n1, n2 or weights are not as above. ValueError: features do not fit.
    """
    _check(query, gallery, n1, n2, weights)
    search = _Search(gallery, n1, n2, weights, foreground_threshold, device)
    out = np.empty((len(query), len(gallery)), np.float32)
    for row in range(len(query) if len(gallery) else 0):
        order, distances = search.ranked(query, row)
        out[row, order] = _strictly_rising(distances)
    return out


@dataclass(frozen=True)
class _Search:
    """The three steps for one picture at a time."""

    gallery: PyramidFeatures
    n1: int
    n2: int
    weights: Weights
    threshold: float
    device: str | torch.device

    def ranked(
        self, query: PyramidFeatures, row: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(G,) positions in the gallery, best first, and their distances in that order."""
        cosine = self.gallery.global_features @ query.global_features[row]
        order, first = _sorted(np.arange(len(cosine)), np.maximum(1 - cosine.astype(float), 0))
        near, rest = order[: self.n1], order[self.n1 :]
        near, second = _sorted(near, self._with_parts(query, row, near, first[: self.n1]))
        best, others = near[: self.n2], near[self.n2 :]
        best, third = _sorted(best, self._with_pixels(query, row, best, second[: self.n2]))
        return np.concatenate([best, others, rest]), np.concatenate(
            [third, second[self.n2 :] + _GROUP_GAP, first[self.n1 :] + 2 * _GROUP_GAP]
        )

    def _with_parts(
        self,
        query: PyramidFeatures,
        row: int,
        near: NDArray[np.int64],
        instance: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        parts = part_distance(
            query.part_features[row],
            query.part_visibility[row],
            self.gallery.part_features[near],
            self.gallery.part_visibility[near],
        )
        by_instance, by_parts, _ = self.weights
        mixed = (by_instance * instance + by_parts * parts) / (by_instance + by_parts)
        return np.where(np.isnan(parts), instance, np.maximum(mixed, 0))

    def _with_pixels(
        self,
        query: PyramidFeatures,
        row: int,
        best: NDArray[np.int64],
        second: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """`second` is the weighted mean of instance and parts: it enters with both weights."""
        similarity, pairs = pixel_similarity(
            torch.from_numpy(query.pixels[row]).to(self.device),
            torch.from_numpy(query.foreground[row]).to(self.device),
            torch.from_numpy(self.gallery.pixels[best]).to(self.device),
            torch.from_numpy(self.gallery.foreground[best]).to(self.device),
            threshold=self.threshold,
        )
        before, by_pixels = self.weights[0] + self.weights[1], self.weights[2]
        pixel = 1 - similarity.double().cpu().numpy()
        mixed = (before * second + by_pixels * pixel) / (before + by_pixels)
        return np.where(pairs.cpu().numpy() > 0, np.maximum(mixed, 0), second)


def _sorted(
    positions: NDArray[np.int64], distances: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = np.argsort(distances, kind="stable")
    return positions[order], distances[order]


def _strictly_rising(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Non-negative values in their wanted order -> float32, each above the one before it.

    The bits of non-negative float32 numbers, read as integers, are in the numbers' order.
    """
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    steps = np.arange(len(bits))
    raised: NDArray[np.float32] = (np.maximum.accumulate(bits - steps) + steps).astype(np.int32)
    return raised.view(np.float32)


def _check(
    query: PyramidFeatures, gallery: PyramidFeatures, n1: int, n2: int, weights: Weights
) -> None:
    if not 1 <= n2 <= n1:
        raise ReidError(f"progressive retrieval: n1 {n1} and n2 {n2} must be n1 >= n2 >= 1")
    if not (np.isfinite(weights).all() and min(weights) >= 0 and weights[0] + weights[1] > 0):
        raise ReidError(
            f"progressive retrieval: weights {weights} must be >= 0, the first two not both 0"
        )
    for field in ("global_features", "part_features", "pixels"):
        ours, theirs = getattr(query, field).shape, getattr(gallery, field).shape
        channels = slice(1, 2) if field == "pixels" else slice(1, None)
        if ours[channels] != theirs[channels]:
            raise ValueError(f"{field}: {ours} and {theirs} do not fit")
