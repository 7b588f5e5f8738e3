"""XQDA: a subspace and a metric that tell pairs of one person from pairs of two, across cameras.

Source: Liao et al., "Person Re-identification by Local Maximal Occurrence Representation and
Metric Learning", CVPR 2015, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import sparse

from reid.errors import ReidError

REGULARISER = 0.001


@dataclass(frozen=True)
class PairCovariances:
    """Mean of (x - z)(x - z)^T over pairs of pictures from two different cameras.

    Attributes:
        intra: (D, D) float64, over pairs of one identity. extra: (D, D), of two identities.
        intra_pairs, extra_pairs: how many pairs; each pair of pictures counts once.
    """

    intra: NDArray[np.float64]
    extra: NDArray[np.float64]
    intra_pairs: int
    extra_pairs: int


@dataclass(frozen=True)
class Xqda:
    """A learnt metric.

    Attributes:
        subspace: (D, r) float64, W with W^T (cov_I + regulariser) W = 1 and
            W^T cov_E W = diag(eigenvalues).
        eigenvalues: (r,) all above 1, largest first.
    """

    subspace: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]

    @property
    def projection(self) -> NDArray[np.float64]:
        """(D, r) P with P P^T = W M W^T: squared Euclidean distances of x P are XQDA distances.

        In the basis W both covariances are diagonal, so that M = inv(cov_I) - inv(cov_E) is
        diag(1 - 1 / eigenvalue), which is positive.
        """
        return self.subspace * np.sqrt(1 - 1 / self.eigenvalues)


def learn_xqda(
    features: NDArray[np.floating],
    identities: NDArray[np.int64],
    cameras: NDArray[np.int64],
    regulariser: float = REGULARISER,
) -> Xqda:
    """Learn from (N, D) features and their (N,) labels.

    W are the generalised eigenvectors of cov_E w = eigenvalue (cov_I + regulariser) w with an
    eigenvalue above 1: the directions in which two people differ more than one does.
    Distance: (x - z)^T W (inv(W^T cov_I W) - inv(W^T cov_E W)) W^T (x - z), cov_I
    regularised. Where D > N, all is done in the space of the pictures (thin QR), which gives the
    same distances.

    Args:
        regulariser: added to the diagonal of cov_I; raising it drops directions of small
            variance, and with them detail.

    Raises:
        ReidError: an identity or camera is missing for pairs, or no direction tells people apart.
        ValueError: the shapes do not fit, or regulariser is not above 0.
    """
    if regulariser <= 0:
        raise ValueError(f"regulariser {regulariser} must be above 0")
    points = np.asarray(features, np.float64)
    basis = None
    if points.ndim == 2 and points.shape[1] > len(points):
        basis, triangle = np.linalg.qr(points.T)
        points = triangle.T
    pairs = pair_covariances(points, identities, cameras)
    ridge = regulariser * np.eye(len(pairs.intra))
    values, vectors = scipy.linalg.eigh(pairs.extra, pairs.intra + ridge)
    kept = np.flatnonzero(values > 1)[::-1]
    if not len(kept):
        raise ReidError("XQDA: no direction differs more between people than within one")
    subspace = vectors[:, kept]
    return Xqda(subspace if basis is None else basis @ subspace, values[kept])


def pair_covariances(
    features: NDArray[np.float64], identities: NDArray[np.int64], cameras: NDArray[np.int64]
) -> PairCovariances:
    """Both covariances of (N, D) features, over every pair of pictures from different cameras.

    The paper has two views; here each of any number of cameras is a view, and all pairs of views
    are taken together, every pair of pictures with weight 1. With two cameras this is the
    paper's definition.

    Raises:
        ReidError: no identity was seen by two cameras, or no two identities were.
        ValueError: the shapes do not fit.
    """
    if features.ndim != 2 or not len(features) == len(identities) == len(cameras):
        raise ValueError(
            f"features {features.shape}, {len(identities)} identities, {len(cameras)} cameras"
        )
    centred = features - features.mean(0)  # differences do not change, rounding gets smaller
    check_pairs(identities, cameras)
    intra, intra_pairs = _cross_camera_scatter(centred, identities, cameras)
    total, pairs = _cross_camera_scatter(centred, np.zeros_like(identities), cameras)
    extra_pairs = pairs - intra_pairs
    return PairCovariances(
        intra / intra_pairs, (total - intra) / extra_pairs, intra_pairs, extra_pairs
    )


def check_pairs(identities: NDArray[np.int64], cameras: NDArray[np.int64]) -> None:
    """Refuse (N,) labels that give no pairs to learn from, before anything is described.

    Raises:
        ReidError: no identity was seen by two cameras, or no two identities were.
    """
    cells = np.unique(np.stack([identities, cameras], 1), axis=0)
    people, seen_by = np.unique(cells[:, 0], return_counts=True)
    if not (seen_by > 1).any():
        raise ReidError("XQDA: no identity was seen by two cameras")
    if len(people) < 2:
        raise ReidError("XQDA: no two identities were seen by two cameras")


def _cross_camera_scatter(
    points: NDArray[np.float64], groups: NDArray[np.int64], cameras: NDArray[np.int64]
) -> tuple[NDArray[np.float64], int]:
    """Sum of (x - z)(x - z)^T over the pairs of one group and two cameras; how many there are.

    = sum_i n_i x_i x_i^T - sum_g (s_g s_g^T - sum_c s_gc s_gc^T), where n_i counts the partners
    of picture i, s_g is the sum of group g and s_gc the part of it from camera c: no pair is
    formed.
    """
    _, group = np.unique(groups, return_inverse=True)
    _, cell = np.unique(np.stack([groups, cameras], 1), axis=0, return_inverse=True)
    group_sums, group_sizes = _sums(points, group)
    cell_sums, cell_sizes = _sums(points, cell.ravel())
    partners = group_sizes[group] - cell_sizes[cell.ravel()]
    scatter = points.T @ (points * partners[:, None])
    scatter -= group_sums.T @ group_sums
    scatter += cell_sums.T @ cell_sums
    return scatter, int(partners.sum()) // 2


def _sums(
    points: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(L, D) sums and (L,) sizes of the rows of each label 0..L-1."""
    sizes = np.bincount(labels)
    ones = np.ones(len(labels))
    members = sparse.csr_matrix((ones, (labels, np.arange(len(labels)))))
    return members @ points, sizes
