"""Site adaptation of distances: camera means and within-class covariance."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.adaptation import SiteSpace, adapt


def _site(seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """20 people, each one tracklet of 4 exemplars in two cameras with their own offsets.

    One direction varies wildly inside every tracklet and says nothing about the person.
    """
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(20, 16))
    nuisance = np.zeros(16)
    nuisance[0] = 6.0
    offsets = {"a": rng.normal(size=16) * 3, "b": rng.normal(size=16) * 3}
    rows, owner, cameras, person = [], [], [], []
    for camera, offset in offsets.items():
        for k, who in enumerate(people):
            for _ in range(4):
                noise = rng.normal(size=16) * 0.3 + rng.normal() * nuisance
                rows.append(who + offset + noise)
                owner.append(len(cameras))
            cameras.append(camera)
            person.append(k)
    features = np.array(rows)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, np.array(owner), cameras, np.array(person)


def _rank1(vectors: np.ndarray, cameras: list[str], person: np.ndarray) -> float:
    names = np.array(cameras)
    similarity = vectors[names == "a"] @ vectors[names == "b"].T
    found = person[names == "b"][similarity.argmax(1)]
    return float((found == person[names == "a"]).mean())


def _plain_means(features: np.ndarray, owner: np.ndarray) -> np.ndarray:
    means = np.stack([features[owner == k].mean(0) for k in range(owner.max() + 1)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_offsets_and_nuisance_directions_are_taken_out(seed: int) -> None:
    features, owner, cameras, person = _site(seed)
    plain = _rank1(_plain_means(features, owner), cameras, person)
    adapted = _rank1(adapt(features, owner, cameras), cameras, person)
    assert adapted >= 0.7
    assert adapted >= plain + 0.2


def test_vectors_have_length_one() -> None:
    features, owner, cameras, _ = _site()
    np.testing.assert_allclose(np.linalg.norm(adapt(features, owner, cameras), axis=1), 1.0)


def test_a_single_tracklet_with_one_exemplar_keeps_a_direction() -> None:
    vector = adapt(np.array([[0.6, 0.8]]), np.array([0]), ["a"])
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(np.linalg.norm(vector), 1.0)


def test_a_lone_camera_with_two_people_keeps_them_apart() -> None:
    features = np.eye(4)[[0, 0, 1, 1]]
    vectors = adapt(features, np.array([0, 0, 1, 1]), ["a", "a"])
    assert vectors[0] @ vectors[1] < 0.3


def test_a_large_ridge_leaves_only_the_camera_means_to_matter() -> None:
    features, owner, cameras, _ = _site()
    means = np.stack([features[owner == k].mean(0) for k in range(owner.max() + 1)])
    loose = SiteSpace.fit(features, owner, cameras, ridge=1e9).place(means, cameras)
    names = np.array(cameras)
    trust, share = 40 / 50, 20 / 30
    expected = means.copy()
    for camera in ("a", "b"):
        own = means[names == camera].mean(0)
        expected[names == camera] -= trust * (share * own + (1 - share) * means.mean(0))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(loose, expected, atol=1e-6)
