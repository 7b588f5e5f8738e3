"""Score a network on a data set by the standard protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid.data.market import load_split, read_images
from reid.protocol import RankingScores, evaluate_ranking

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def embed_in_batches(
    embed: Embed, paths: tuple[Path, ...], size_hw: tuple[int, int], batch: int = 64
) -> NDArray[np.float32]:
    """Features of image files: (N, D); `embed` takes (B, H, W, 3) uint8 RGB."""
    chunks = [
        embed(read_images(paths[start : start + batch], *size_hw))
        for start in range(0, len(paths), batch)
    ]
    return np.concatenate(chunks)


def evaluate_embedder(embed: Embed, root: Path, size_hw: tuple[int, int]) -> RankingScores:
    """Query against gallery of a Market-style folder by cosine distance.

    Raises:
        ReidError: the folder does not have the layout.
    """
    query, gallery = load_split(root, "query"), load_split(root, "gallery")
    query_features = embed_in_batches(embed, query.paths, size_hw)
    gallery_features = embed_in_batches(embed, gallery.paths, size_hw)
    return evaluate_ranking(
        1 - query_features @ gallery_features.T,
        query.identities,
        gallery.identities,
        query.cameras,
        gallery.cameras,
    )
