"""Scores an embedder on a site's crops: plain, and with the product's adaptation to the site."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.site_crops import SiteCrops
from pipeline.association.adaptation import SiteSpace, adapt
from pipeline.site_model import write_fitted
from reid.data.tracklets import Tracklets
from reid.describe import EmbedsCrops
from reid.distances import cosine_distance
from reid.embeddings import Embeddings
from reid.inference import Embedder
from reid.open_set import cross_camera_pairs, identification_errors, verification_errors
from reid.peers import Peer
from reid.protocol import evaluate_ranking

PLAIN, SPACE, FITTED, BOTH = "plain", "site space", "batch statistics", "both"
OF_PRODUCT = SPACE
"""How association and search see vectors, unless `embedder.adapt_to_site` is switched on."""
PEER_FILES = frozenset({".xml", ".onnx", ".pth"})
UNITS = ("tracklet", "image")
MATCH_RATES = (1e-1, 1e-2, 1e-3)
SEARCH_RATES = (1e-1,)
Vectors = NDArray[np.floating]
Scores = dict[str, Any]


@dataclass(frozen=True)
class Labelled:
    """What is compared: vectors of length 1 with their people and cameras.

    Attributes:
        vectors: (n, D). people, cameras: (n,) int64.
    """

    vectors: Vectors
    people: NDArray[np.int64]
    cameras: NDArray[np.int64]

    def without(self, person: int) -> Labelled:
        """All but one person."""
        kept = self.people != person
        return Labelled(self.vectors[kept], self.people[kept], self.cameras[kept])


def open_embedder(weights: Path, threads: int) -> Embedder | Peer:
    """What embeds crops with a weight file of ours or of others, on the CPU.

    Raises:
        ReidError: the file is missing or none of these.
    """
    if weights.suffix in PEER_FILES:
        return Peer(weights, threads=threads)
    return Embedder(weights, runtime="openvino", threads=threads)


def score_site(weights: Path, site: SiteCrops, threads: int) -> dict[str, dict[str, Scores]]:
    """`variant -> unit -> scores`; batch statistics are measured anew with weights of ours only.

    Raises:
        ReidError: weights that cannot be used, too few crops to fit them, or too few people.
    """
    plain = open_embedder(weights, threads)
    found = _both_spaces(plain, site, PLAIN, SPACE)
    if isinstance(plain, Embedder):
        with tempfile.TemporaryDirectory(prefix="crosswalk-site-") as folder:
            path = Path(folder) / "fitted.safetensors"
            write_fitted(weights, site.pictures, path)
            found |= _both_spaces(open_embedder(path, threads), site, FITTED, BOTH)
    return found


def compared(features: Embeddings, site: SiteCrops, *, in_space: bool) -> dict[str, Labelled]:
    """The vectors of tracklets and of single images, as they are or in the site's own space."""
    groups = Tracklets.of(site.labels)
    heads, each = groups.crops, site.labels
    if not in_space:
        tracklets: Vectors = groups.mean(features).global_features
        images: Vectors = features.global_features
    else:
        vectors = features.global_features.astype(np.float64)
        names = [site.cameras[number] for number in heads.cameras]
        tracklets = adapt(vectors, site.owner, names)
        space = SiteSpace.fit(vectors, site.owner, names)
        images = space.place(vectors, [site.cameras[number] for number in each.cameras])
    return {
        "tracklet": Labelled(tracklets, heads.identities, heads.cameras),
        "image": Labelled(images, each.identities, each.cameras),
    }


def score(given: Labelled) -> Scores:
    """Ranking and open-set errors of everything against the other cameras; percent.

    Raises:
        ReidError: nobody is in two cameras, or everybody is one person.
    """
    cosine = cosine_distance(*[given.vectors.astype(np.float32)] * 2)
    # last in every ranking, a camera's own images change neither CMC nor average precision
    own_camera = given.cameras[:, None] == given.cameras[None]
    labels = (given.people, given.people, given.cameras, given.cameras)
    ranking = evaluate_ranking(np.where(own_camera, np.inf, cosine), *labels)
    matches = verification_errors(
        *cross_camera_pairs(cosine, given.people, given.cameras), MATCH_RATES
    )
    searches = identification_errors(cosine, *labels, SEARCH_RATES)
    return {
        "rank1": ranking.as_dict()["rank1"],
        "mAP": ranking.mean_ap,
        "queries": ranking.queries,
        "mated": matches[0].mated,
        "non_mated": matches[0].non_mated,
        "fnmr": {f"{one.target:g}": 100 * one.fnmr for one in matches},
        "fmr": {f"{one.target:g}": 100 * one.fmr for one in matches},
        "tpir": {f"{one.target:g}": 100 * one.tpir for one in searches},
    }


def person_errors(given: Labelled) -> dict[str, float]:
    """Standard errors of rank-1, mAP and FNMR at FMR 1 % over the choice of people.

    The jackknife, a person at a time. Source: Efron & Stein, "The Jackknife Estimate of
    Variance", Annals of Statistics 1981. A rate at a threshold that jumps from pair to pair is
    not smooth, as the jackknife wants it: its error is a rough one.
    """
    left = [score(given.without(person)) for person in np.unique(given.people).tolist()]
    values = {
        "rank1": [one["rank1"] for one in left],
        "mAP": [one["mAP"] for one in left],
        "fnmr": [one["fnmr"]["0.01"] for one in left],
    }
    return {name: jackknife_error(np.array(column)) for name, column in values.items()}


def jackknife_error(left_out: NDArray[np.float64]) -> float:
    """Standard error from the (n,) values of a measure with each of n left out."""
    count = len(left_out)
    return float(np.sqrt((count - 1) / count * np.square(left_out - left_out.mean()).sum()))


def with_errors(given: Mapping[str, Labelled]) -> dict[str, Scores]:
    """`unit -> scores`; those of tracklets with their standard errors."""
    found = {unit: score(given[unit]) for unit in UNITS}
    found["tracklet"]["standard_error"] = person_errors(given["tracklet"])
    return found


def _both_spaces(
    embedder: EmbedsCrops, site: SiteCrops, plain: str, space: str
) -> dict[str, dict[str, Scores]]:
    features = embedder.embed(site.pictures)
    return {
        plain: with_errors(compared(features, site, in_space=False)),
        space: with_errors(compared(features, site, in_space=True)),
    }
