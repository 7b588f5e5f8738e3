"""Scores on a site's crops, against plain loops; which features are compared, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import site_scores
from benchmarks.site_crops import SiteCrops
from benchmarks.site_scores import (
    Labelled,
    compared,
    jackknife_error,
    open_embedder,
    person_errors,
    score,
    score_site,
)
from pipeline.association.adaptation import SiteSpace
from reid.data.crops import Crops
from reid.embeddings import Embeddings
from reid.errors import ReidError


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def embeddings(vectors: np.ndarray) -> Embeddings:
    none = np.zeros((len(vectors), 1, 1), np.float32)
    return Embeddings(vectors.astype(np.float32), none, none[:, :, 0], "f")


def random_set(seed: int, count: int = 30) -> Labelled:
    rng = np.random.default_rng(seed)
    people = rng.integers(1, 6, count)
    centres = rng.normal(size=(6, 12))
    vectors = unit(centres[people] + 0.9 * rng.normal(size=(count, 12)))
    return Labelled(vectors, people, rng.integers(0, 3, count))


def by_loops(given: Labelled) -> dict[str, float]:
    """Rank-1, mAP, FNMR at FMR 10 % and TPIR at FPIR 10 %, in percent."""
    n = len(given.people)
    vectors = given.vectors.astype(np.float32)
    d = np.array([[1 - float(a @ b) for b in vectors] for a in vectors])
    firsts, precisions, nearest_other, hits = [], [], [], []
    same, different = [], []
    for i in range(n):
        others = [j for j in range(n) if given.cameras[j] != given.cameras[i]]
        order = sorted(others, key=lambda j, i=i: (d[i][j], j))
        right = [given.people[j] == given.people[i] for j in order]
        wrong = [d[i][j] for j in order if given.people[j] != given.people[i]]
        nearest_other.append(min(wrong))
        if any(right):
            firsts.append(right[0])
            found = [sum(right[: k + 1]) / (k + 1) for k in range(len(right)) if right[k]]
            precisions.append(sum(found) / len(found))
            hits.append((right[0], d[i][order[0]]))
        for j in others:
            if j > i:
                (same if given.people[i] == given.people[j] else different).append(d[i][j])
    match = sorted(different)[len(different) // 10]
    search = sorted(nearest_other)[len(nearest_other) // 10]
    return {
        "rank1": 100 * sum(firsts) / len(firsts),
        "mAP": 100 * sum(precisions) / len(precisions),
        "fnmr": 100 * sum(not x < match - 1e-7 for x in same) / len(same),
        "tpir": 100 * sum(first and x < search - 1e-7 for first, x in hits) / len(hits),
        "queries": len(firsts),
        "mated": len(same),
        "non_mated": len(different),
    }


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_plain_loops(seed: int) -> None:
    given = random_set(seed)
    found, expected = score(given), by_loops(given)
    assert found["fnmr"].keys() == {"0.1", "0.01", "0.001"}
    flat = {**found, "fnmr": found["fnmr"]["0.1"], "tpir": found["tpir"]["0.1"]}
    assert {name: flat[name] for name in expected} == pytest.approx(expected)


def test_the_own_camera_counts_neither_as_right_nor_as_wrong() -> None:
    degrees = np.radians([0.0, 1, 30, 90, 0.5])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    people, cameras = np.array([1, 2, 1, 2, 3]), np.array([0, 0, 1, 1, 0])
    found = score(Labelled(vectors, people, cameras))
    # person 1 at 0 finds 30 first; 2 at 1 finds 30, too; 1 at 30 finds 1; 2 at 90 finds 1
    assert (found["rank1"], found["queries"]) == (50, 4)
    assert (found["mated"], found["non_mated"]) == (2, 4)


def test_errors_are_those_of_leaving_each_person_out() -> None:
    given = random_set(3)
    left = []
    for person in sorted(set(given.people.tolist())):
        kept = [row for row in range(len(given.people)) if given.people[row] != person]
        part = Labelled(given.vectors[kept], given.people[kept], given.cameras[kept])
        left.append(by_loops(part)["mAP"])
    mean = sum(left) / len(left)
    variance = (len(left) - 1) / len(left) * sum((value - mean) ** 2 for value in left)
    assert person_errors(given)["mAP"] == pytest.approx(variance**0.5)
    assert person_errors(given).keys() == {"rank1", "mAP", "fnmr"}


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=20)
    left = np.array([np.delete(values, row).mean() for row in range(20)])
    assert jackknife_error(left) == pytest.approx(values.std(ddof=1) / 20**0.5)


def site_of(seed: int = 0) -> tuple[SiteCrops, np.ndarray]:
    """Five tracklets of 1 to 4 crops, and vectors that a camera's light has moved."""
    rng = np.random.default_rng(seed)
    sizes, people, cameras = [3, 4, 1, 2, 4], [1, 2, 1, 2, 3], [0, 0, 1, 1, 1]
    owner = np.repeat(np.arange(5), sizes)
    person, camera = np.array(people)[owner], np.array(cameras)[owner]
    light = rng.normal(size=(2, 8))
    vectors = rng.normal(size=(4, 8))[person] + light[camera] + 0.3 * rng.normal(size=(14, 8))
    paths = tuple(Path(str(row)) for row in range(14))
    pictures = [np.full((9, 5, 3), row, np.uint8) for row in range(14)]
    site = SiteCrops(pictures, Crops(paths, person, camera, owner), ("left", "right"))
    return site, unit(vectors).astype(np.float32)


def test_plain_tracklets_are_means_of_unit_length() -> None:
    site, vectors = site_of()
    found = compared(embeddings(vectors), site, in_space=False)
    for number in range(5):
        mean = np.mean([v for v, o in zip(vectors, site.owner, strict=True) if o == number], axis=0)
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(found["tracklet"].vectors[number], expected, atol=1e-6)
    assert found["tracklet"].people.tolist() == [1, 2, 1, 2, 3]
    assert found["tracklet"].cameras.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found["image"].vectors, vectors)
    np.testing.assert_array_equal(found["image"].people, site.labels.identities)


def test_the_site_space_is_the_one_of_association() -> None:
    site, vectors = site_of()
    found = compared(embeddings(vectors), site, in_space=True)
    names = ["left", "left", "right", "right", "right"]
    space = SiteSpace.fit(vectors.astype(np.float64), site.owner, names)
    for number in range(5):
        mean = vectors[site.owner == number].astype(np.float64).mean(0)
        expected = space.place(mean[None], [names[number]])[0]
        np.testing.assert_allclose(found["tracklet"].vectors[number], expected, atol=1e-12)
    for row in range(14):
        camera = names[site.owner[row]]
        expected = space.place(vectors[row : row + 1].astype(np.float64), [camera])[0]
        np.testing.assert_allclose(found["image"].vectors[row], expected, atol=1e-12)


class Painted:
    """Embeds each picture, whose colour is its number, as a row of a table."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.fingerprint = vectors, "painted"

    def embed(self, crops_bgr: list[np.ndarray]) -> Embeddings:
        return embeddings(self.vectors[[int(crop[0, 0, 0]) for crop in crops_bgr]])


def test_weights_of_others_are_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    site, vectors = site_of()
    monkeypatch.setattr(site_scores, "open_embedder", lambda *_: Painted(vectors))
    found = score_site(Path("peer.xml"), site, 1)
    assert list(found) == ["plain", "site space"]
    expected = score(compared(embeddings(vectors), site, in_space=True)["image"])
    assert found["site space"]["image"] == expected
    assert found["plain"]["tracklet"]["standard_error"].keys() == {"rank1", "mAP", "fnmr"}


def test_weights_of_ours_are_fitted_to_the_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    site, vectors = site_of()
    _, others = site_of(1)
    fitted: list[tuple[Path, int]] = []

    def fit(weights: Path, crops: list[np.ndarray], path: Path) -> None:
        fitted.append((weights, len(crops)))
        path.write_bytes(b"fitted")

    def opened(weights: Path, threads: int) -> Painted:
        return Painted(others if weights.name.startswith("fitted") else vectors)

    monkeypatch.setattr(site_scores, "Embedder", Painted)
    monkeypatch.setattr(site_scores, "open_embedder", opened)
    monkeypatch.setattr(site_scores, "write_fitted", fit)
    found = score_site(Path("ours.safetensors"), site, 1)
    assert fitted == [(Path("ours.safetensors"), 14)]
    assert list(found) == ["plain", "site space", "batch statistics", "both"]
    plain = score(compared(embeddings(others), site, in_space=False)["image"])
    assert found["batch statistics"]["image"] == plain


@pytest.mark.parametrize("name", ["missing.xml", "missing.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReidError, match=name):
        open_embedder(tmp_path / name, 1)
