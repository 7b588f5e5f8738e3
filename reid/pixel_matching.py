"""Pixel-level similarity of two people: mutual nearest neighbours between their feature maps.

Source: PGR (Dou et al., ICASSP 2022, poster): "the mined pixel correspondences". Two foreground
pixels correspond when each is the other's most similar one; the similarity of the pictures is
the mean cosine of the corresponding pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK_CELLS = 4_000_000


class PixelMatch(NamedTuple):
    """Of one query with N gallery pictures.

    Attributes:
        similarity: (N,) mean cosine of the pairs in -1..1; 0 without a pair.
        pairs: (N,) int64 how many pairs. None exists exactly where a picture has no foreground.
    """

    similarity: Tensor
    pairs: Tensor


def mutual_nearest(cosines: Tensor, query_seen: Tensor, gallery_seen: Tensor) -> Tensor:
    """Which pixels correspond.

    Args:
        cosines: (N, P, Q). query_seen: (P,) bool. gallery_seen: (N, Q) bool.

    Returns:
        (N, P, Q) bool, at most one per row and column: seen pixels that are each other's nearest
        seen one. Of equally near pixels the first counts.
    """
    allowed = query_seen[None, :, None] & gallery_seen[:, None]
    masked = cosines.masked_fill(~allowed, -torch.inf)
    forward = torch.zeros_like(allowed).scatter_(2, masked.argmax(2, keepdim=True), True)
    backward = torch.zeros_like(allowed).scatter_(1, masked.argmax(1, keepdim=True), True)
    return forward & backward & allowed


def pixel_similarity(
    query_pixels: Tensor,
    query_foreground: Tensor,
    gallery_pixels: Tensor,
    gallery_foreground: Tensor,
    *,
    threshold: float = 0.5,
) -> PixelMatch:
    """One query against N gallery pictures; half precision is widened to float32.

    Memory beside the input stays below a few matrices of 4 million cosines.

    Args:
        query_pixels: (C, h, w) unit vectors. query_foreground: (h, w) in 0..1.
        gallery_pixels: (N, C, h', w'). gallery_foreground: (N, h', w').
        threshold: a pixel is compared where its foreground is at least this; default 0.5;
            raising it leaves doubtful edges out, and in the end the person, too.

    Raises:
        ValueError: shapes do not fit.
    """
    _check(query_pixels, query_foreground, gallery_pixels, gallery_foreground)
    query = _wide(query_pixels).flatten(1).T
    seen = query_foreground.flatten() >= threshold
    count, columns = len(gallery_pixels), gallery_foreground[0:1].numel()
    rows = max(1, _CHUNK_CELLS // max(1, len(query) * columns))
    similarity = query.new_zeros(count)
    pairs = torch.zeros(count, dtype=torch.int64, device=query.device)
    for start in range(0, count, rows):
        chunk = slice(start, start + rows)
        cosines = query @ _wide(gallery_pixels[chunk]).flatten(2)
        found = mutual_nearest(cosines, seen, gallery_foreground[chunk].flatten(1) >= threshold)
        pairs[chunk] = found.sum((1, 2))
        total = cosines.masked_fill(~found, 0).sum((1, 2))
        similarity[chunk] = total / pairs[chunk].clamp(min=1)
    return PixelMatch(similarity, pairs)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _check(query: Tensor, query_seen: Tensor, gallery: Tensor, gallery_seen: Tensor) -> None:
    fits = query.ndim == 3 and gallery.ndim == 4 and query.shape[0] == gallery.shape[1]
    if not fits:
        raise ValueError(f"pixels {tuple(query.shape)} and {tuple(gallery.shape)} do not fit")
    for pixels, seen in ((query, query_seen), (gallery, gallery_seen)):
        if pixels.shape[-2:] != seen.shape[-2:] or seen.ndim != pixels.ndim - 1:
            raise ValueError(
                f"foreground {tuple(seen.shape)} does not fit pixels {tuple(pixels.shape)}"
            )
    if len(gallery) != len(gallery_seen):
        raise ValueError(f"{len(gallery)} pictures have {len(gallery_seen)} foregrounds")
