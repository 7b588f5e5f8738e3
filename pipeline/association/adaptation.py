"""Adapts embeddings to a site without labels: camera means and within-class covariance.

Association and search compare in this space.

Two things spoil a distance on a site the model has never seen. Each camera adds its own light
and colour: the camera's mean is taken away. And one person's crops vary along directions that
the model did not learn to ignore: that variation is seen inside every tracklet, which is one
person by construction, and is divided out (WCCN, Hatch et al., "Within-class covariance
normalization for SVM-based speaker recognition", Interspeech 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SiteSpace:
    """Where vectors lie once camera and within-person variation are taken out.

    Attributes:
        site_mean: (D,) taken from vectors of an unknown camera.
        camera_means: (D,) for each camera that was seen.
        whitener: (D, D), or None if no tracklet has two exemplars.
    """

    site_mean: Array
    camera_means: dict[str, Array]
    whitener: Array | None

    @classmethod
    def fit(
        cls,
        features: Array,
        owner: NDArray[np.int64],
        cameras: Sequence[str],
        *,
        ridge: float = 0.5,
        camera_prior: float = 10.0,
    ) -> SiteSpace:
        """Learn a site from its tracklets, without labels.

        Args:
            features: (M, D) exemplars' global features, M >= 1.
            owner: (M,) tracklet of each exemplar, 0..N-1, each at least once.
            cameras: camera of each of the N tracklets.
            ridge: of the within-class covariance, in units of its mean variance; larger divides
                less out.
            camera_prior: a camera's mean counts like its own tracklets against so many tracklets
                of the site's mean; larger trusts cameras with few people less.
        """
        means = tracklet_means(features, owner, len(cameras))
        trust = len(means) / (len(means) + camera_prior)
        overall = means.mean(0)
        names = np.asarray(cameras)
        camera_means = {}
        for camera in set(cameras):
            own = means[names == camera]
            share = len(own) / (len(own) + camera_prior)
            camera_means[camera] = trust * (share * own.mean(0) + (1 - share) * overall)
        several = np.bincount(owner, minlength=len(cameras))[owner] > 1
        spread = (features - means[owner])[several]
        whitener = _whitener(spread, ridge) if len(spread) > 1 else None
        return cls(trust * overall, camera_means, whitener)

    def place(self, features: Array, cameras: Sequence[str | None]) -> Array:
        """(n, D) vectors of length 1; None is an unknown camera, like one that was never seen."""
        means = [self.camera_means.get(camera or "", self.site_mean) for camera in cameras]
        moved = features - np.asarray(means, np.float64).reshape(features.shape)
        if self.whitener is not None:
            moved = moved @ self.whitener
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9))


def adapt(features: Array, owner: NDArray[np.int64], cameras: Sequence[str]) -> Array:
    """Adapted tracklet vectors: (N, D) of length 1, the means of their adapted exemplars.

    Arguments as in `SiteSpace.fit`.
    """
    space = SiteSpace.fit(features, owner, cameras)
    return space.place(tracklet_means(features, owner, len(cameras)), cameras)


def tracklet_means(features: Array, owner: NDArray[np.int64], count: int) -> Array:
    """(count, D) mean of each tracklet's exemplars; arguments as in `SiteSpace.fit`."""
    means = np.zeros((count, features.shape[1]))
    np.add.at(means, owner, features)
    return means / np.bincount(owner, minlength=count)[:, None]


def _whitener(within: Array, ridge: float) -> Array:
    """(D, D) symmetric inverse square root of the regularised within-class covariance."""
    covariance = within.T @ within / len(within)
    level = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    values, vectors = np.linalg.eigh(covariance + ridge * level * np.eye(len(covariance)))
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)
