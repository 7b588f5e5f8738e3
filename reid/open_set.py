"""Scores an embedder where the person may be nobody known: errors at fixed false-match rates.

A ranking always has a first place; who acts on a match needs a threshold, and has to know what it
costs. The terms and rates are those of ISO/IEC 19795-1:2021, "Biometric performance testing and
reporting": FMR and FNMR of comparisons (verification), FPIR and TPIR of searches (open-set
identification; Grother & Ngan, NISTIR 8009, count as here a mate that is found first). Distances
take the place of scores: a pair matches if its distance is below the threshold.

The threshold of a target rate is the largest one at which the measured rate does not exceed the
target. With n trials no rate but 0 is below 1/n: below that, a target asks for no error at all.
ISO/IEC 19795-1 (rule of 30) trusts a rate to about a third of it from 30 errors on, if the trials
are independent; pairs of the same few people are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError

FALSE_MATCH_RATES = (1e-1, 1e-2, 1e-3)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class VerificationErrors:
    """Errors of comparisons at one threshold; rates in 0..1.

    Attributes:
        target: highest false match rate that was allowed.
        threshold: pairs with a smaller distance match.
        fmr: false match rate, the share of the non-mated comparisons that match.
        fnmr: false non-match rate, the share of the mated comparisons that do not match.
        mated, non_mated: how many comparisons there were.
    """

    target: float
    threshold: float
    fmr: float
    fnmr: float
    mated: int
    non_mated: int


@dataclass(frozen=True)
class IdentificationErrors:
    """Errors of searches at one threshold; rates in 0..1.

    Attributes:
        target: highest false positive identification rate that was allowed.
        threshold: candidates with a smaller distance are returned.
        fpir: false positive identification rate, the share of the searches for somebody who is
            not in the gallery that return anybody.
        tpir: true positive identification rate, the share of the searches for somebody who is in
            the gallery that return this person first.
        mated, non_mated: how many searches there were.
    """

    target: float
    threshold: float
    fpir: float
    tpir: float
    mated: int
    non_mated: int


def verification_errors(
    mated: NDArray[np.floating],
    non_mated: NDArray[np.floating],
    rates: Sequence[float] = FALSE_MATCH_RATES,
) -> tuple[VerificationErrors, ...]:
    """FNMR at each false match rate.

    Args:
        mated: (G,) distances of pairs of one person; NaN (unknown) is never a match.
        non_mated: (I,) distances of pairs of two people, likewise.
        rates: each in 0..1.

    Raises:
        ReidError: no mated or no non-mated pair. ValueError: a rate outside 0..1.
    """
    if not len(mated) or not len(non_mated):
        kind = "one person" if not len(mated) else "two people"
        raise ReidError(f"no pair of {kind} across cameras: errors have no rate")
    same, other = _known(mated), np.sort(_known(non_mated))
    found = []
    for rate in rates:
        threshold = _threshold(other, rate)
        fmr = float(np.mean(other < threshold))
        fnmr = float(np.mean(~(same < threshold)))
        found.append(VerificationErrors(rate, threshold, fmr, fnmr, len(same), len(other)))
    return tuple(found)


def cross_camera_pairs(
    distances: NDArray[np.floating], identities: NDArray[np.int64], cameras: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """(N, N) symmetric distances -> those of mated and of non-mated pairs of different cameras.

    Each unordered pair is taken once (its entry above the diagonal); all cameras are pooled.

    Raises:
        ValueError: the shapes do not fit.
    """
    if distances.shape != (len(identities),) * 2 or len(cameras) != len(identities):
        raise ValueError(f"distances {distances.shape} do not fit the labels")
    first, second = np.triu_indices(len(identities), 1)
    across = cameras[first] != cameras[second]
    first, second = first[across], second[across]
    same = identities[first] == identities[second]
    values = distances[first, second]
    return values[same], values[~same]


def identification_errors(
    distances: NDArray[np.floating],
    query_identities: NDArray[np.int64],
    gallery_identities: NDArray[np.int64],
    query_cameras: NDArray[np.int64],
    gallery_cameras: NDArray[np.int64],
    rates: Sequence[float] = FALSE_MATCH_RATES,
) -> tuple[IdentificationErrors, ...]:
    """TPIR at each false positive identification rate, of a (Q, G) distance matrix.

    Every query is searched for among the other cameras: once as they are, which is a mated
    search if its person is there, and once without its person, a non-mated search. A mate as far
    away as somebody else does not come first; NaN (unknown) is never returned.

    Raises:
        ReidError: no mated or no non-mated search. ValueError: the shapes do not fit, or a rate
            is outside 0..1.
    """
    if distances.shape != (len(query_identities), len(gallery_identities)):
        raise ValueError(f"distances {distances.shape} do not fit the labels")
    across = query_cameras[:, None] != gallery_cameras[None]
    same = query_identities[:, None] == gallery_identities[None]
    mate, other = _nearest(distances, across & same), _nearest(distances, across & ~same)
    has_mate, has_other = (across & same).any(1), (across & ~same).any(1)
    if not has_mate.any() or not has_other.any():
        kind = "person is" if not has_mate.any() else "person is not"
        raise ReidError(f"no query whose {kind} in another camera: errors have no rate")
    false = np.sort(other[has_other])
    found = []
    for rate in rates:
        threshold = _threshold(false, rate)
        right = (mate < threshold) & (mate < other)
        fpir, tpir = float(np.mean(false < threshold)), float(np.mean(right[has_mate]))
        found.append(
            IdentificationErrors(rate, threshold, fpir, tpir, int(has_mate.sum()), len(false))
        )
    return tuple(found)


def _nearest(distances: NDArray[np.floating], among: NDArray[np.bool_]) -> NDArray[np.floating]:
    """(Q, G), (Q, G) -> (Q,) smallest distance of those that count; infinite without any."""
    return np.where(among, _known(distances), np.inf).min(axis=1, initial=np.inf)


def _known(distances: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(np.isnan(distances), np.inf, distances)


def _threshold(ascending: NDArray[np.floating], rate: float) -> float:
    """The largest value below which at most `rate` of the sorted values lie."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate {rate} is outside 0..1")
    allowed = int(rate * len(ascending) + _ROUNDING)
    return float(ascending[allowed]) if allowed < len(ascending) else float("inf")
