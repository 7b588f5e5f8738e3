"""Score an embedder on a data set by the standard protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid.data.crops import Crops
from reid.data.occlusion import Occlusion
from reid.data.source import DataSource, load_split
from reid.data.tracklets import Tracklets
from reid.describe import CropDescriber, Described, Describer, EmbedsCrops
from reid.distances import aligned_distance, cosine_distance
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.progressive import progressive_distances
from reid.protocol import RankingScores, check_answers, evaluate_ranking
from reid.rerank.k_reciprocal import k_reciprocal_distances
from reid.rerank.manifold import smoothed_manifold_distances

DistanceName = Literal["global", "aligned", "progressive"]
RerankName = Literal["k-reciprocal", "ssm"]
OnStart = Callable[[int], Callable[[int], None]]
_LARGEST_ALIGNED = float(np.tanh(1.0))
_LARGEST_COSINE = 2.0


@dataclass(frozen=True)
class Ranking:
    """How galleries are ranked.

    Attributes:
        distance: "global" vectors; "aligned" ranks the best 200 again by their parts, too
            (`combined_distance`); "progressive" by parts, then pixels (`progressive_distances`).
        rerank: what follows the global distance: k-reciprocal encoding or the supervised
            smoothed manifold, which learns from the labelled training split.
        device: where re-ranking and pixel matching run.

    Raises:
        ReidError: re-ranking after another distance than the global one.
    """

    distance: DistanceName = "global"
    rerank: RerankName | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.rerank is not None and self.distance != "global":
            raise ReidError(
                f"--rerank {self.rerank}: re-ranks the global distance; leave --distance "
                f"{self.distance} out"
            )


Split = tuple[Crops, Described]


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


def distances(
    query: Described, gallery: Described, ranking: Ranking, train: Split | None = None
) -> NDArray[np.float32]:
    """(Q, G), smaller is more alike.

    Args:
        train: labelled pictures, for re-ranking by the supervised smoothed manifold.

    Raises:
        ReidError: features of different models, or of none of the kind that the ranking needs.
    """
    ours, theirs = query.embeddings, gallery.embeddings
    if ours.fingerprint != theirs.fingerprint:
        raise ReidError(f"features of models {ours.fingerprint} and {theirs.fingerprint}")
    if ranking.distance == "aligned":
        return combined_distance(ours, theirs)
    if ranking.distance == "progressive":
        if query.pyramid is None or gallery.pyramid is None:
            raise ReidError("--distance progressive: there are no pixels to compare")
        return progressive_distances(query.pyramid, gallery.pyramid, device=ranking.device)
    a, b = ours.global_features, theirs.global_features
    if ranking.rerank is not None:
        return _reranked(a, b, ranking, train)
    return cosine_distance(a, b) if query.unit else _squared_distance(a, b)


def _reranked(
    query: NDArray[np.float32], gallery: NDArray[np.float32], ranking: Ranking, train: Split | None
) -> NDArray[np.float32]:
    import torch

    a, b = (torch.from_numpy(values).to(ranking.device) for values in (query, gallery))
    if ranking.rerank == "k-reciprocal":
        return k_reciprocal_distances(a, b).cpu().numpy()
    if train is None:
        return smoothed_manifold_distances(a, b).cpu().numpy()
    known = torch.from_numpy(train[1].embeddings.global_features).to(ranking.device)
    return smoothed_manifold_distances(a, b, known, train[0].identities).cpu().numpy()


def _squared_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None]
    squares -= 2 * (a @ b.T)
    return np.maximum(squares, 0, out=squares)


def score(
    query: Split, gallery: Split, ranking: Ranking | None = None, train: Split | None = None
) -> RankingScores:
    """Rank the gallery for every query and score the ranking.

    Raises:
        ReidError: no query has a right answer in the gallery.
    """
    return evaluate_ranking(
        distances(query[1], gallery[1], ranking or Ranking(), train),
        query[0].identities,
        gallery[0].identities,
        query[0].cameras,
        gallery[0].cameras,
    )


def evaluate_folder(
    embedder: EmbedsCrops,
    source: DataSource,
    distance: DistanceName = "global",
    on_start: OnStart | None = None,
) -> RankingScores:
    """`evaluate_source` with what embeds crops."""
    return evaluate_source(CropDescriber(embedder), source, Ranking(distance), on_start=on_start)


def evaluate_source(
    describer: Describer,
    source: DataSource,
    ranking: Ranking,
    *,
    occlusion: Occlusion | None = None,
    on_start: OnStart | None = None,
) -> RankingScores:
    """Query against gallery of a data set in a folder; tracklets by the mean of their frames.

    Args:
        occlusion: of queries and gallery, which are numbered one after the other.
        on_start: gets the number of images and returns what is told how many are described.

    Raises:
        ReidError: the folder does not have the layout, or an image cannot be decoded, or the
            describer lacks parts or pixels, or no query has a right answer in the gallery.
    """
    _check_features(describer, ranking)
    query, gallery = load_split(source, "query"), load_split(source, "gallery")
    if ranking.distance == "progressive" and gallery.tracklets is not None:
        raise ReidError(
            f"--distance progressive: {source.name} is scored by tracklets, whose frames have no "
            "pixels in common"
        )
    check_answers(query.identities, gallery.identities, query.cameras, gallery.cameras)
    train = load_split(source, "train") if ranking.rerank == "ssm" else None
    splits = [query, gallery, *([train] if train else [])]
    on_done = on_start(sum(len(crops) for crops in splits)) if on_start else lambda done: None
    found: list[Split] = []
    before = 0
    for name, crops in zip(("query", "gallery", "train"), splits, strict=False):
        described = describer.describe(
            crops,
            name,  # type: ignore[arg-type]  # the three literals
            occlusion if name != "train" else None,
            before,
            lambda done, before=before: on_done(before + done),  # type: ignore[misc]
        )
        found.append(_by_tracklet(crops, described))
        before += len(crops)
    return score(found[0], found[1], ranking, found[2] if train else None)


def _check_features(describer: Describer, ranking: Ranking) -> None:
    if ranking.distance == "aligned" and not describer.has_parts:
        raise ReidError("--distance aligned: this system has no parts to compare")
    if ranking.distance == "progressive" and not describer.has_pixels:
        raise ReidError("--distance progressive: this system has no pixels to compare")


def _by_tracklet(crops: Crops, found: Described) -> Split:
    if crops.tracklets is None:
        return crops, found
    tracklets = Tracklets.of(crops)
    mean = tracklets.mean(found.embeddings)
    if not found.unit:
        mean = replace(mean, global_features=tracklets.plain_mean(found.embeddings.global_features))
    return tracklets.crops, replace(found, embeddings=mean)
