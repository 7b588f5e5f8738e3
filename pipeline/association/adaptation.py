"""Adapts embeddings to a site without labels: camera means and within-class covariance.

Two things spoil a distance on a site the model has never seen. Each camera adds its own light
and colour: the camera's mean is taken away. And one person's crops vary along directions that
the model did not learn to ignore: that variation is seen inside every tracklet, which is one
person by construction, and is divided out (WCCN, Hatch et al., "Within-class covariance
normalization for SVM-based speaker recognition", Interspeech 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def adapt(
    features: Array,
    owner: NDArray[np.int64],
    cameras: Sequence[str],
    *,
    ridge: float = 0.5,
    camera_prior: float = 10.0,
) -> Array:
    """Adapted tracklet vectors: (N, D) of length 1, the means of their adapted exemplars.

    Args:
        features: (M, D) exemplars' global features.
        owner: (M,) tracklet of each exemplar, 0..N-1, each at least once.
        cameras: camera of each of the N tracklets.
        ridge: of the within-class covariance, in units of its mean variance; larger divides
            less out.
        camera_prior: a camera's mean counts like its own tracklets against so many tracklets
            of the site's mean; larger trusts cameras with few people less.
    """
    count = len(cameras)
    sizes = np.bincount(owner, minlength=count).astype(np.float64)
    means = np.zeros((count, features.shape[1]))
    np.add.at(means, owner, features)
    means /= sizes[:, None]
    centred = means - _camera_means(means, cameras, camera_prior)
    within = features - means[owner]
    spread = within[sizes[owner] > 1]
    moved = centred if len(spread) < 2 else centred @ _whitener(spread, ridge)
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)


def _camera_means(means: Array, cameras: Sequence[str], prior: float) -> Array:
    """(N, D): for each tracklet the shrunk mean of its camera; zero where a site says little."""
    overall = means.mean(0)
    trust = len(means) / (len(means) + prior)
    out = np.empty_like(means)
    names = np.asarray(cameras)
    for camera in set(cameras):
        rows = names == camera
        share = rows.sum() / (rows.sum() + prior)
        out[rows] = trust * (share * means[rows].mean(0) + (1 - share) * overall)
    return out


def _whitener(within: Array, ridge: float) -> Array:
    """(D, D) symmetric inverse square root of the regularised within-class covariance."""
    covariance = within.T @ within / len(within)
    level = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    values, vectors = np.linalg.eigh(covariance + ridge * level * np.eye(len(covariance)))
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)
