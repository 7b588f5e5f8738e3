"""Score an embedder on a data set by the standard protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reid.data.crops import Crops
from reid.data.market import read_image_bgr
from reid.data.source import DataSource, load_split
from reid.data.tracklets import Tracklets
from reid.distances import aligned_distance, cosine_distance
from reid.embeddings import Embeddings
from reid.protocol import RankingScores, evaluate_ranking

DistanceName = Literal["global", "aligned"]
_LARGEST_ALIGNED = float(np.tanh(1.0))
_LARGEST_COSINE = 2.0
_READ_AT_ONCE = 64


class EmbedsCrops(Protocol):
    """What `reid.inference.Embedder` does."""

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """N crops, each (h, w, 3) uint8 BGR -> their embeddings."""


def embed_files(
    embedder: EmbedsCrops, paths: tuple[Path, ...], on_done: Callable[[int], None] | None = None
) -> Embeddings:
    """Embed image files, 64 in memory at a time; `on_done` gets how many are ready.

    Raises:
        ReidError: an image cannot be decoded.
    """
    chunks = []
    for start in range(0, len(paths), _READ_AT_ONCE):
        chunk = paths[start : start + _READ_AT_ONCE]
        chunks.append(embedder.embed([read_image_bgr(path) for path in chunk]))
        if on_done is not None:
            on_done(start + len(chunk))
    return Embeddings(
        np.concatenate([chunk.global_features for chunk in chunks]),
        np.concatenate([chunk.part_features for chunk in chunks]),
        np.concatenate([chunk.part_visibility for chunk in chunks]),
        chunks[0].fingerprint,
    )


def combined_distance(
    query: Embeddings, gallery: Embeddings, *, weight: float = 0.4, best: int = 200
) -> NDArray[np.float32]:
    """(Q, G) distances that re-rank each query's `best` global matches with their parts.

    For those, (1 - weight) * cosine distance + weight * aligned distance / tanh(1); the cosine
    distance alone where no part is visible in both. All others keep their global order behind
    them (their cosine distance + 2).

    Args:
        weight: 0..1, default 0.4; raising it trusts the parts more, which costs accuracy where
            people are seen from different sides.
        best: default 200; raising it costs time and adds few right answers.
    """
    cosine = cosine_distance(query.global_features, gallery.global_features)
    out = cosine + np.float32(_LARGEST_COSINE)
    best = min(best, len(gallery))
    for row in range(len(query)):
        near = np.argpartition(cosine[row], best - 1)[:best]
        one = slice(row, row + 1)
        parts = aligned_distance(
            query.part_features[one],
            gallery.part_features[near],
            query.part_visibility[one],
            gallery.part_visibility[near],
        )[0]
        plain = cosine[row, near]
        mixed = (1 - weight) * plain + weight * parts / _LARGEST_ALIGNED
        out[row, near] = np.where(np.isnan(parts), plain, mixed)
    return out


def score(
    query: tuple[Crops, Embeddings],
    gallery: tuple[Crops, Embeddings],
    distance: DistanceName = "global",
) -> RankingScores:
    """Rank the gallery for every query and score the ranking.

    Raises:
        ReidError: no query has a right answer in the gallery.
    """
    if distance == "aligned":
        distances = combined_distance(query[1], gallery[1])
    else:
        distances = cosine_distance(query[1].global_features, gallery[1].global_features)
    return evaluate_ranking(
        distances,
        query[0].identities,
        gallery[0].identities,
        query[0].cameras,
        gallery[0].cameras,
    )


def evaluate_folder(
    embedder: EmbedsCrops,
    source: DataSource,
    distance: DistanceName = "global",
    on_start: Callable[[int], Callable[[int], None]] | None = None,
) -> RankingScores:
    """Query against gallery of a data set in a folder; tracklets by the mean of their frames.

    `on_start` gets the number of images and returns what is told how many are embedded.

    Raises:
        ReidError: the folder does not have the layout, or an image cannot be decoded, or
            no query has a right answer in the gallery.
    """
    query, gallery = load_split(source, "query"), load_split(source, "gallery")
    on_done = on_start(len(query) + len(gallery)) if on_start else None
    found = embed_files(embedder, query.paths + gallery.paths, on_done)
    count = len(query)
    return score(_by_tracklet(query, found[:count]), _by_tracklet(gallery, found[count:]), distance)


def _by_tracklet(crops: Crops, found: Embeddings) -> tuple[Crops, Embeddings]:
    if crops.tracklets is None:
        return crops, found
    tracklets = Tracklets.of(crops)
    return tracklets.crops, tracklets.mean(found)
