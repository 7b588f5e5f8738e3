"""Progressive retrieval against a slow reference with plain lists."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reid_builders import unit_rows

from reid.errors import ReidError
from reid.progressive import _strictly_rising, part_distance, progressive_distances
from reid.pyramid import PyramidFeatures

SEEDS = st.integers(0, 2**31)


def random_features(rng: np.random.Generator, count: int, *, hide: float = 0.2) -> PyramidFeatures:
    """Some pictures have no visible part, some no foreground."""
    seen = rng.random((count, 3)) * (rng.random((count, 1)) >= hide)
    front = rng.random((count, 3, 2)) * (rng.random((count, 1, 1)) >= hide)
    pixels = np.moveaxis(unit_rows(rng, count, 3, 2, 4), 3, 1)
    return PyramidFeatures(
        unit_rows(rng, count, 6),
        unit_rows(rng, count, 3, 4),
        seen.astype(np.float32),
        pixels.astype(np.float16),
        front.astype(np.float16),
    )


def coarse_features(rng: np.random.Generator, count: int) -> PyramidFeatures:
    """Vectors of few values, all their products exact, so that distances tie again and again."""

    def vectors(*shape: int) -> Any:
        return rng.choice([-0.5, 0.5], (*shape, 4))

    return PyramidFeatures(
        vectors(count).astype(np.float32),
        vectors(count, 2).astype(np.float32),
        rng.integers(0, 2, (count, 2)).astype(np.float32),
        np.moveaxis(vectors(count, 2, 1), 3, 1).astype(np.float16),
        rng.integers(0, 2, (count, 2, 1)).astype(np.float16),
    )


def dot(a: Any, b: Any) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def parts_by_hand(query: PyramidFeatures, q: int, gallery: PyramidFeatures, g: int) -> float | None:
    paid = weight = 0.0
    for k in range(query.part_features.shape[1]):
        both = float(query.part_visibility[q, k]) * float(gallery.part_visibility[g, k])
        paid += both * (1 - dot(query.part_features[q, k], gallery.part_features[g, k]))
        weight += both
    return paid / weight if weight else None


def pixels_by_hand(
    query: PyramidFeatures, q: int, gallery: PyramidFeatures, g: int, threshold: float
) -> float | None:
    def seen(features: PyramidFeatures, n: int) -> list[Any]:
        maps, front = features.pixels[n].astype(float), features.foreground[n]
        cells = np.ndindex(*front.shape)
        return [maps[:, y, x] for y, x in cells if float(front[y, x]) >= threshold]

    ours, theirs = seen(query, q), seen(gallery, g)
    cosines = [[dot(a, b) for b in theirs] for a in ours]
    found = []
    for i, row in enumerate(cosines):
        if not row:
            continue
        j = row.index(max(row))
        column = [other[j] for other in cosines]
        if column.index(max(column)) == i:
            found.append(row[j])
    return 1 - sum(found) / len(found) if found else None


def by_hand(
    query: PyramidFeatures,
    gallery: PyramidFeatures,
    q: int,
    n1: int,
    n2: int,
    weights: tuple[float, float, float],
    threshold: float = 0.5,
) -> tuple[list[int], list[float]]:
    """The order of the gallery and the distance of each, best first."""
    wi, wp, wx = weights
    first, second, third = {}, {}, {}
    for g in range(len(gallery)):
        first[g] = max(1 - dot(query.global_features[q], gallery.global_features[g]), 0)
        part = parts_by_hand(query, q, gallery, g)
        second[g] = first[g] if part is None else max((wi * first[g] + wp * part) / (wi + wp), 0)
        pixel = pixels_by_hand(query, q, gallery, g, threshold)
        third[g] = second[g]
        if pixel is not None:
            mixed = ((wi + wp) * second[g] + wx * pixel) / (wi + wp + wx)
            third[g] = max(mixed, 0)
    order = sorted(range(len(gallery)), key=first.__getitem__)
    near = sorted(order[:n1], key=second.__getitem__)
    best = sorted(near[:n2], key=third.__getitem__)
    values = [third[g] for g in best]
    values += [second[g] + 2 for g in near[n2:]]
    values += [first[g] + 4 for g in order[n1:]]
    return best + near[n2:] + order[n1:], values


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    n1=st.integers(1, 12),
    n2=st.integers(1, 12),
    weights=st.sampled_from([(1.0, 1.0, 1.0), (1.0, 0.5, 2.0), (0.0, 1.0, 0.0), (2.0, 0.0, 1.0)]),
)
def test_distances_by_hand(
    seed: int, n1: int, n2: int, weights: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_features(rng, 2), random_features(rng, 9)
    n1, n2 = max(n1, n2), min(n1, n2)
    found = progressive_distances(query, gallery, n1=n1, n2=n2, weights=weights)
    assert found.dtype == np.float32
    for q in range(2):
        order, values = by_hand(query, gallery, q, n1, n2, weights)
        assert np.argsort(found[q]).tolist() == order
        np.testing.assert_allclose(found[q, order], values, atol=2e-6)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, n1=st.integers(1, 30), n2=st.integers(1, 30))
def test_ties_keep_the_order_before(seed: int, n1: int, n2: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = coarse_features(rng, 1), coarse_features(rng, 24)
    n1, n2 = max(n1, n2), min(n1, n2)
    found = progressive_distances(query, gallery, n1=n1, n2=n2)
    order, _ = by_hand(query, gallery, 0, n1, n2, (1.0, 1.0, 1.0))
    for kind in ("stable", "quicksort", "heapsort"):
        assert np.argsort(found[0], kind=kind).tolist() == order
    assert len(set(found[0].tolist())) == 24


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_groups_stand_behind_each_other(seed: int) -> None:
    """What did not reach step 2 keeps the instance order, behind all that did."""
    rng = np.random.default_rng(seed)
    query, gallery = random_features(rng, 1), random_features(rng, 20)
    found = np.argsort(progressive_distances(query, gallery, n1=8, n2=3)[0])
    instance = np.argsort(1 - gallery.global_features @ query.global_features[0])
    two_steps = np.argsort(progressive_distances(query, gallery, n1=8, n2=1)[0])
    assert set(found[:8]) == set(instance[:8])
    assert found[8:].tolist() == instance[8:].tolist()
    assert set(found[:3]) == set(two_steps[:3])
    assert found[3:8].tolist() == two_steps[3:8].tolist()


def test_n_beyond_the_gallery() -> None:
    rng = np.random.default_rng(0)
    query, gallery = random_features(rng, 2), random_features(rng, 5)
    np.testing.assert_array_equal(
        progressive_distances(query, gallery, n1=1000, n2=1000),
        progressive_distances(query, gallery, n1=5, n2=5),
    )


def test_the_right_person_climbs_by_parts_and_pixels() -> None:
    """Three people who look alike as a whole; one has the parts, one of those the pixels."""
    rng = np.random.default_rng(1)
    one = random_features(rng, 1, hide=0)
    shown = dataclasses.replace(
        one, part_visibility=np.ones((1, 3), np.float32), foreground=np.ones((1, 3, 2), np.float16)
    )
    twice = {f.name: np.repeat(getattr(shown, f.name), 3, 0) for f in dataclasses.fields(shown)}
    twice["part_features"][0] *= -1
    twice["pixels"][1] = -twice["pixels"][1]
    gallery = PyramidFeatures(**twice)
    assert np.argsort(progressive_distances(shown, gallery, n1=1, n2=1)[0]).tolist() == [0, 1, 2]
    assert np.argsort(progressive_distances(shown, gallery, n1=3, n2=1)[0]).tolist() == [1, 2, 0]
    assert np.argsort(progressive_distances(shown, gallery, n1=3, n2=3)[0]).tolist() == [2, 1, 0]


def test_foreground_threshold_reaches_the_pixels() -> None:
    rng = np.random.default_rng(2)
    query, gallery = random_features(rng, 1, hide=0), random_features(rng, 6, hide=0)
    found = progressive_distances(query, gallery, n1=6, n2=6, foreground_threshold=0.2)
    order, values = by_hand(query, gallery, 0, 6, 6, (1.0, 1.0, 1.0), 0.2)
    np.testing.assert_allclose(found[0, order], values, atol=2e-6)
    assert not np.allclose(found, progressive_distances(query, gallery, n1=6, n2=6))


def test_part_distance_without_a_shared_part() -> None:
    parts = np.eye(2, dtype=np.float32)
    seen, other = np.array([1, 0], np.float32), np.array([[0, 1], [1, 1]], np.float32)
    found = part_distance(parts, seen, np.stack([parts, -parts]), other)
    np.testing.assert_array_equal(found, [np.nan, 2.0])


@given(st.lists(st.floats(0, 8, width=32), min_size=1, max_size=40))
def test_strictly_rising(values: list[float]) -> None:
    wanted = np.sort(np.array(values))
    found = _strictly_rising(wanted)
    assert (np.diff(found) > 0).all()
    assert (found >= wanted.astype(np.float32)).all()
    assert (found <= np.nextafter(np.float32(8.1), np.float32(9))).all()


def test_empty_sides() -> None:
    rng = np.random.default_rng(3)
    some, none = random_features(rng, 3), random_features(rng, 0)
    assert progressive_distances(none, some).shape == (0, 3)
    assert progressive_distances(some, none).shape == (3, 0)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"n1": 5, "n2": 6}, "n1 5 and n2 6"),
        ({"n1": 5, "n2": 0}, "n2 0"),
        ({"weights": (-1.0, 2.0, 1.0)}, "weights"),
        ({"weights": (0.0, 0.0, 1.0)}, "weights"),
        ({"weights": (1.0, float("nan"), 1.0)}, "weights"),
    ],
)
def test_settings_that_are_refused(settings_: dict[str, Any], message: str) -> None:
    features = random_features(np.random.default_rng(4), 3)
    with pytest.raises(ReidError, match=message):
        progressive_distances(features, features, **settings_)


@pytest.mark.parametrize("field", ["global_features", "part_features", "pixels"])
def test_features_of_different_systems(field: str) -> None:
    features = random_features(np.random.default_rng(5), 3)
    axis = 1 if field == "pixels" else -1
    wider = np.concatenate([getattr(features, field)] * 2, axis)
    with pytest.raises(ValueError, match=field):
        progressive_distances(features, dataclasses.replace(features, **{field: wider}))


@pytest.mark.parametrize(
    ("field", "shape"),
    [
        ("part_features", (2, 3, 4)),
        ("part_visibility", (3, 4)),
        ("pixels", (3, 4, 3)),
        ("foreground", (3, 2, 2)),
        ("global_features", (3, 6, 1)),
    ],
)
def test_shapes_that_do_not_fit(field: str, shape: tuple[int, ...]) -> None:
    features = random_features(np.random.default_rng(6), 3)
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(features, **{field: np.zeros(shape, np.float32)})
