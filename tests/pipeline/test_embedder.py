"""The embedder stage with the shipped weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.embedder import Embedder, load_embedder
from reid.errors import ReidError
from reid.weights_file import DEFAULT_WEIGHTS, load_weights


def crop(seed: int, height: int = 160, width: int = 64) -> np.ndarray:
    """A picture of a shirt and trousers in colours of the seed, with a little noise."""
    rng = np.random.default_rng(seed)
    picture = np.empty((height, width, 3))
    picture[: height // 2], picture[height // 2 :] = rng.uniform(0, 255, (2, 3))
    return np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    if not DEFAULT_WEIGHTS.is_file():
        message = f"{DEFAULT_WEIGHTS} is missing"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return load_embedder(threads=1)


def test_vectors_have_length_one(embedder: Embedder) -> None:
    found = embedder.embed([crop(1), crop(2, 90, 70), crop(3, 30, 12)])
    np.testing.assert_allclose(np.linalg.norm(found.global_features, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found.part_features, axis=2), 1, atol=1e-4)
    assert found.global_features.dtype == found.part_features.dtype == np.float32
    assert found.fingerprint == embedder.fingerprint


def test_the_same_crop_gives_the_same_vector(embedder: Embedder) -> None:
    """Alone, twice, and in another place of a larger batch."""
    alone = embedder.embed([crop(1)])
    again = embedder.embed([crop(1)])
    batch = embedder.embed([crop(k) for k in (5, 4, 3, 2, 1)])
    np.testing.assert_array_equal(alone.global_features, again.global_features)
    np.testing.assert_array_equal(alone.part_features, again.part_features)
    assert float(alone.global_features[0] @ batch.global_features[4]) > 0.999
    assert float(alone.global_features[0] @ batch.global_features[0]) < 0.99


def test_no_crops(embedder: Embedder) -> None:
    found = embedder.embed([])
    assert len(found) == 0
    assert found.global_features.ndim == 2
    assert found.part_features.ndim == 3


def test_the_fingerprint_belongs_to_the_file(embedder: Embedder) -> None:
    _, _, fingerprint = load_weights(DEFAULT_WEIGHTS)
    assert fingerprint == embedder.fingerprint
    assert len(fingerprint) >= 16


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"none\.safetensors"):
        load_embedder(tmp_path / "none.safetensors")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"this is not a model")
    with pytest.raises(ReidError, match=r"some\.safetensors"):
        load_embedder(path)
