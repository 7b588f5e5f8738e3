"""The LOMO + XQDA system: fit, embed, distances, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reid_builders import person
from safetensors import safe_open
from safetensors.numpy import save_file

from reid.classical.lomo import LOMO_DIM, lomo
from reid.classical.system import LomoFeatures, LomoXqda
from reid.classical.xqda import learn_xqda
from reid.errors import ReidError


def pictures(
    first: int, identities: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Two views in each of two cameras, as RGB; the second camera is darker."""
    rows = [(i, view) for i in range(first, first + identities) for view in range(4)]
    images = [person(i, v, 128, 48)[:, :, ::-1] // (1 + v // 2) for i, v in rows]
    labels = np.array(rows, np.int64)
    return np.stack(images), labels[:, 0], 1 + labels[:, 1] // 2


@pytest.fixture(scope="module")
def system() -> LomoXqda:
    return LomoXqda.fit(*pictures(0, 12))


@pytest.fixture
def saved(system: LomoXqda, tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "a.safetensors"
    system.save(path)
    return path


def rewrite(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> Path:
    """Copy a file with some tensors and metadata replaced; None or "" drops one."""
    with safe_open(path, "numpy") as file:
        values = {name: file.get_tensor(name) for name in file.keys()} | tensors  # noqa: SIM118
        about = (file.metadata() or {}) | metadata
    to = path.with_name("b.safetensors")
    save_file(
        {name: value for name, value in values.items() if value is not None},
        to,
        {name: value for name, value in about.items() if value},
    )
    return to


def test_new_people_are_found_in_the_other_camera(system: LomoXqda) -> None:
    images, identities, cameras = pictures(100, 10)
    found = system.embed([image[:, :, ::-1] for image in images])
    query, gallery = cameras == 1, cameras == 2
    distances = system.distances(
        LomoFeatures(found.features[query], found.fingerprint),
        LomoFeatures(found.features[gallery], found.fingerprint),
    )
    nearest = identities[gallery][distances.argmin(1)]
    assert (nearest == identities[query]).mean() >= 0.9


def test_distances_are_those_of_the_metric(system: LomoXqda) -> None:
    """Recomputed in float64 from the LOMO vectors, pair by pair."""
    images, identities, cameras = pictures(0, 12)
    points = np.stack([lomo(image) for image in images]).astype(np.float64)
    metric = learn_xqda(points, identities, cameras)
    crops = [person(i, 9, 60, 30) for i in (40, 41, 42)]
    found = system.embed(crops)
    assert found.features.shape == (3, len(metric.eigenvalues))
    assert found.features.dtype == np.float32
    distances = system.distances(found, found)
    scale = float(distances.max())
    for a, one in enumerate(crops):
        for b, other in enumerate(crops):
            gap = lomo(one[:, :, ::-1]).astype(np.float64) - lomo(other[:, :, ::-1])
            expected = float(np.square(gap @ metric.projection).sum())
            assert distances[a, b] == pytest.approx(expected, rel=2e-3, abs=1e-5 * scale)


@pytest.mark.slow
def test_enough_components_change_nothing(system: LomoXqda) -> None:
    reduced = LomoXqda.fit(*pictures(0, 12), components=47)
    crops = [person(i, 8) for i in range(50, 56)]
    full, fewer = (s.distances(s.embed(crops), s.embed(crops)) for s in (system, reduced))
    np.testing.assert_allclose(fewer, full, rtol=0.02, atol=1e-3 * full.max())
    few = LomoXqda.fit(*pictures(0, 12), components=5)
    assert few.projection.shape[1] <= 5


def test_equal_fits_are_equal() -> None:
    fits = [LomoXqda.fit(*pictures(0, 4), components=9, seed=s) for s in (1, 1)]
    assert fits[0].fingerprint == fits[1].fingerprint
    assert fits[0].fingerprint != LomoXqda.fit(*pictures(0, 5), components=9).fingerprint


def test_progress() -> None:
    told: list[int] = []
    LomoXqda.fit(*pictures(0, 17), components=9, on_done=told.append)
    assert told == [64, 68]


def test_a_crop_does_not_depend_on_its_neighbours(system: LomoXqda) -> None:
    crops = [person(i, 0, 90 + i, 40) for i in range(70)]
    together = system.embed(crops).features
    alone = np.concatenate([system.embed([crops[k]]).features for k in (0, 63, 64, 69)])
    np.testing.assert_allclose(together[[0, 63, 64, 69]], alone, atol=1e-4 * np.abs(alone).max())


def test_no_crops(system: LomoXqda) -> None:
    none = system.embed([])
    assert none.features.shape == (0, len(system.offset))
    assert system.distances(none, system.embed([person(0, 0)])).shape == (0, 1)


def test_distances_of_equal_pictures_are_zero_and_never_negative(system: LomoXqda) -> None:
    found = system.embed([person(i, 0) for i in range(20)])
    distances = system.distances(found, found)
    assert distances.min() >= 0
    assert np.abs(np.diag(distances)).max() < 1e-4 * distances.max()
    np.testing.assert_allclose(distances, distances.T, atol=1e-4 * distances.max())


def test_features_of_another_model_are_refused(system: LomoXqda) -> None:
    mine = system.embed([person(0, 0)])
    foreign = LomoFeatures(mine.features, "0123456789abcdef")
    with pytest.raises(ReidError, match="gallery: features of model 0123456789abcdef"):
        system.distances(mine, foreign)
    with pytest.raises(ReidError, match="query: features of model 0123456789abcdef"):
        system.distances(foreign, mine)


def test_round_trip(system: LomoXqda, saved: Path) -> None:
    loaded = LomoXqda.load(saved)
    assert loaded.fingerprint == system.fingerprint
    assert len(loaded.fingerprint) == 16
    crops = [person(3, 0), person(4, 0)]
    np.testing.assert_array_equal(loaded.embed(crops).features, system.embed(crops).features)
    assert [file.name for file in saved.parent.iterdir()] == ["a.safetensors"]


def test_one_value_changes_the_fingerprint(system: LomoXqda, saved: Path) -> None:
    offset = system.offset.copy()
    offset[0] += 0.5
    assert LomoXqda.load(rewrite(saved, {"offset": offset}, {})).fingerprint != system.fingerprint


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({}, {"kind": ""}, "kind: not a LOMO"),
        ({}, {"kind": "osnet"}, "kind: not a LOMO"),
        ({}, {"preprocessing": "rgb"}, "preprocessing: made by another version"),
        ({"offset": None}, {}, "tensors"),
        ({"more": np.zeros(3, np.float32)}, {}, "tensors"),
        ({"offset": np.zeros(0, np.float32)}, {}, "expected"),
        ({"offset": np.zeros(2, np.float32)}, {}, "expected"),
        ({"projection": np.zeros((3, 2), np.float32)}, {}, "projection: float32"),
        ({"eigenvalues": np.zeros(1, np.float64)}, {}, "eigenvalues: float64"),
    ],
)
def test_wrong_files_are_refused(
    saved: Path, tensors: dict[str, Any], metadata: dict[str, str], message: str
) -> None:
    with pytest.raises(ReidError, match=message) as caught:
        LomoXqda.load(rewrite(saved, tensors, metadata))
    assert "b.safetensors" in str(caught.value)


def test_values_that_are_not_finite_are_refused(system: LomoXqda, saved: Path) -> None:
    broken = np.full_like(system.offset, np.nan)
    with pytest.raises(ReidError, match="offset: not all values are finite"):
        LomoXqda.load(rewrite(saved, {"offset": broken}, {}))


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100])
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"a.safetensors: not a safetensors file"):
        LomoXqda.load(path)


def test_a_cut_file(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(ReidError, match="not a safetensors file"):
        LomoXqda.load(saved)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no such LOMO"):
        LomoXqda.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("count", "labels", "components", "message"),
    [(4, 3, 10, "3 identities"), (1, 1, 10, "two pictures"), (4, 4, 0, "one component")],
)
def test_bad_fits(count: int, labels: int, components: int, message: str) -> None:
    images = np.zeros((count, 128, 48, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        LomoXqda.fit(
            images, np.zeros(labels, np.int64), np.ones(labels, np.int64), components=components
        )


def test_one_camera_cannot_be_learnt() -> None:
    images, identities, _ = pictures(0, 2)
    with pytest.raises(ReidError, match="two cameras"):
        LomoXqda.fit(images, identities, np.ones(len(images), np.int64))


@pytest.mark.parametrize(
    "crop", [np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_bad_crops(system: LomoXqda, crop: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="picture is expected"):
        system.embed([crop])


def test_the_dimension_is_that_of_lomo(system: LomoXqda) -> None:
    assert system.projection.shape == (LOMO_DIM, len(system.eigenvalues))
    assert (system.eigenvalues > 1).all()
