"""The aligned part distance against every path, in float64."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reid_builders import unit_rows

import reid.aligned_blocks
import reid.distances
from reid.distances import aligned_distance, alignment_path, cosine_distance

SEEDS = st.integers(0, 2**32 - 1)


def cell_costs(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(e^x - 1) / (e^x + 1), x = ||f_i - g_j||, one cell at a time."""
    cost = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            x = math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(a[i], b[j], strict=True)))
            cost[i, j] = (math.exp(x) - 1) / (math.exp(x) + 1)
    return cost


def recurrence(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """S_ij = min(S_i-1,j, S_i,j-1) + d_ij at (P, P), over the path's length."""
    cost = cell_costs(a, b)
    total = np.full(cost.shape, np.inf)
    for i in range(len(a)):
        for j in range(len(b)):
            before = [total[i - 1, j]] if i else []
            before += [total[i, j - 1]] if j else []
            total[i, j] = cost[i, j] + (min(before) if before else 0.0)
    return float(total[-1, -1]) / (len(a) + len(b) - 1)


def cheapest_mean(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    seen_a: NDArray[np.float64],
    seen_b: NDArray[np.float64],
) -> float:
    """Smallest weighted mean over all monotone paths; NaN if none gathers weight."""
    cost, parts, best = cell_costs(a, b), len(a), math.nan
    for downs in combinations(range(2 * parts - 2), parts - 1):
        cells, i, j = [(0, 0)], 0, 0
        for step in range(2 * parts - 2):
            i, j = (i + 1, j) if step in downs else (i, j + 1)
            cells.append((i, j))
        weight = sum(seen_a[i] * seen_b[j] for i, j in cells)
        if weight > 0:
            mean = sum(seen_a[i] * seen_b[j] * cost[i, j] for i, j in cells) / weight
            best = mean if math.isnan(best) else min(best, mean)
    return best


@pytest.mark.parametrize(("parts", "dim"), [(1, 3), (2, 4), (4, 16), (8, 64)])
def test_equals_the_recurrence_in_float64(parts: int, dim: int) -> None:
    rng = np.random.default_rng(parts)
    a, b = unit_rows(rng, 5, parts, dim), unit_rows(rng, 3, parts, dim)
    expected = [[recurrence(x, y) for y in b] for x in a]
    np.testing.assert_allclose(aligned_distance(a, b), expected, atol=2e-4)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, parts=st.integers(1, 4))
def test_partial_visibility_equals_the_best_of_all_paths(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 3, parts, 5), unit_rows(rng, 2, parts, 5)
    seen_a = rng.choice([0, 0, 0.5, 1], (3, parts)).astype(np.float32)
    seen_b = rng.choice([0, 0.3, 1], (2, parts)).astype(np.float32)
    expected = [
        [cheapest_mean(a[m], b[n], seen_a[m], seen_b[n]) for n in range(2)] for m in range(3)
    ]
    np.testing.assert_allclose(aligned_distance(a, b, seen_a, seen_b), expected, atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_symmetric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 4, 5, 6), unit_rows(rng, 3, 5, 6)
    seen_a, seen_b = rng.random((4, 5), np.float32), rng.random((3, 5), np.float32)
    one, other = aligned_distance(a, b, seen_a, seen_b), aligned_distance(b, a, seen_b, seen_a)
    np.testing.assert_allclose(one, other.T, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.05, 1))
def test_the_scale_of_the_visibility_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 2, 4, 6), unit_rows(rng, 3, 4, 6)
    seen_a, seen_b = rng.random((2, 4), np.float32), rng.random((3, 4), np.float32)
    full = aligned_distance(a, b, seen_a, seen_b)
    less = aligned_distance(a, b, seen_a * np.float32(scale), seen_b)
    np.testing.assert_allclose(full, less, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_stays_between_zero_and_the_largest_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 3, 6, 4), unit_rows(rng, 3, 6, 4)
    found = aligned_distance(a, b, rng.random((3, 6), np.float32), np.ones((3, 6), np.float32))
    assert np.all((found >= 0) & (found <= math.tanh(1) + 1e-6))


def test_bodies_of_one_colour_are_at_zero() -> None:
    body = np.broadcast_to(unit_rows(np.random.default_rng(0), 1, 1, 8), (1, 6, 8))
    assert aligned_distance(body, body)[0, 0] == pytest.approx(0, abs=1e-3)


def test_equal_parts_cost_nothing_on_the_diagonal() -> None:
    """Equal bodies of P orthogonal parts pay for the P - 1 cells beside the diagonal only."""
    body = np.eye(4, dtype=np.float32)[None]
    beside = math.tanh(math.sqrt(2) / 2)
    assert aligned_distance(body, body)[0, 0] == pytest.approx(3 * beside / 7, abs=1e-5)


def test_opposite_parts_are_as_far_as_possible() -> None:
    body = np.broadcast_to(unit_rows(np.random.default_rng(1), 1, 1, 8), (1, 3, 8))
    assert aligned_distance(body, -body)[0, 0] == pytest.approx(math.tanh(1), abs=1e-5)


def test_a_cut_body_is_compared_with_the_same_parts_of_the_whole_one() -> None:
    """Its path follows the diagonal through the visible parts instead of dodging them."""
    body = np.eye(8, dtype=np.float32)[None]
    cut = np.array([[1, 1, 1, 1, 0, 0, 0, 0]], np.float32)
    beside = math.tanh(math.sqrt(2) / 2)
    found = aligned_distance(body, body, cut, np.ones((1, 8), np.float32))
    assert found[0, 0] == pytest.approx(3 * beside / 7, abs=1e-5)


def test_hiding_parts_that_differ_never_makes_it_larger() -> None:
    rng = np.random.default_rng(3)
    top, a_legs, b_legs = (np.broadcast_to(unit_rows(rng, 1, 1, 16), (1, 4, 16)) for _ in range(3))
    a, b = np.concatenate([top, a_legs], 1), np.concatenate([top, b_legs], 1)
    last = math.inf
    for visible in range(8, 3, -1):
        seen = (np.arange(8) < visible).astype(np.float32)[None]
        found = float(aligned_distance(a, b, seen, seen)[0, 0])
        assert found <= last + 1e-6
        last = found
    assert last == pytest.approx(0, abs=1e-3)


def test_nothing_shared_is_nan_and_one_shared_part_is_not() -> None:
    rng = np.random.default_rng(4)
    a, b = unit_rows(rng, 1, 4, 8), unit_rows(rng, 2, 4, 8)
    middle = np.array([[0, 0, 1, 0]], np.float32)
    found = aligned_distance(a, b, middle, np.concatenate([middle, 0 * middle]))
    assert found[0, 0] == pytest.approx(cell_costs(a[0], b[0])[2, 2], abs=1e-5)
    assert np.isnan(found[0, 1])


def test_full_visibility_is_the_plain_distance() -> None:
    rng = np.random.default_rng(5)
    a, b = unit_rows(rng, 3, 4, 8), unit_rows(rng, 2, 4, 8)
    half = np.full((3, 4), 0.5, np.float32), np.ones((2, 4), np.float32)
    np.testing.assert_allclose(aligned_distance(a, b, *half), aligned_distance(a, b), atol=1e-5)
    ones = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(aligned_distance(a, b, *ones), aligned_distance(a, b))


@pytest.mark.parametrize("partial", [False, True])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, partial: bool) -> None:
    rng = np.random.default_rng(6)
    a, b = unit_rows(rng, 7, 4, 8), unit_rows(rng, 5, 4, 8)
    seen: tuple[NDArray[np.float32], ...] = ()
    if partial:
        seen = rng.random((7, 4), np.float32), rng.random((5, 4), np.float32)
    whole = aligned_distance(a, b, *seen)
    monkeypatch.setattr(reid.distances, "_CHUNK_CELLS", 2 * 5 * 16)
    np.testing.assert_allclose(aligned_distance(a, b, *seen), whole, atol=1e-6)


def free_paths(parts: int) -> Iterator[list[tuple[int, int]]]:
    """Every path from the first row or column to the last ones, of at least P / 2 cells."""

    def walk(path: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        i, j = path[-1]
        if (i == parts - 1 or j == parts - 1) and 2 * len(path) >= parts:
            yield path
        if i + 1 < parts:
            yield from walk([*path, (i + 1, j)])
        if j + 1 < parts:
            yield from walk([*path, (i, j + 1)])

    for start in {(0, k) for k in range(parts)} | {(k, 0) for k in range(parts)}:
        yield from walk([start])


def cheapest_free_mean(
    a: NDArray[np.float64], b: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Smallest weighted mean over `free_paths`; NaN if none gathers weight."""
    cost, best = cell_costs(a, b), math.nan
    for path in free_paths(len(a)):
        total = sum(weight[cell] for cell in path)
        if total > 0:
            best = np.fmin(best, sum(weight[cell] * cost[cell] for cell in path) / total)
    return float(best)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, parts=st.integers(1, 5))
def test_free_ends_equal_the_best_of_all_paths(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 2, parts, 5), unit_rows(rng, 3, parts, 5)
    b[0] = np.roll(a[0], 1 + seed % parts, 0)  # a body cut at the top
    ones = np.ones((parts, parts))
    expected = [[cheapest_free_mean(x, y, ones) for y in b] for x in a]
    found = aligned_distance(a, b, free_ends=True)
    np.testing.assert_allclose(found, expected, atol=3e-4)
    assert np.all(found <= aligned_distance(a, b) + 3e-4)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, parts=st.integers(1, 5))
def test_free_ends_with_visibility_equal_the_best_of_all_paths(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 2, parts, 5), unit_rows(rng, 2, parts, 5)
    seen_a = rng.choice([0, 0.5, 1], (2, parts)).astype(np.float32)
    seen_b = rng.choice([0, 0, 0.3, 1], (2, parts)).astype(np.float32)
    expected = [
        [cheapest_free_mean(a[m], b[n], np.outer(seen_a[m], seen_b[n])) for n in range(2)]
        for m in range(2)
    ]
    found = aligned_distance(a, b, seen_a, seen_b, free_ends=True)
    np.testing.assert_allclose(found, expected, atol=3e-4)


def test_a_truncated_body_is_at_zero_only_with_free_ends() -> None:
    """One part vector per body height: the legs of one picture are the top of the other."""
    parts = np.repeat(np.eye(4, dtype=np.float32), 2, axis=0)
    whole, legs = parts[None], np.roll(parts, 4, axis=0)[None]
    legs[0, 4:] = np.eye(4, dtype=np.float32)[0]
    assert aligned_distance(whole, legs, free_ends=True)[0, 0] < 0.2
    assert aligned_distance(whole, legs)[0, 0] > 0.35


@pytest.mark.parametrize("free_ends", [False, True])
def test_the_sum_is_the_mean_times_the_length(free_ends: bool) -> None:
    rng = np.random.default_rng(7)
    a, b = unit_rows(rng, 3, 4, 8), unit_rows(rng, 2, 4, 8)
    mean = aligned_distance(a, b, free_ends=free_ends)
    total = aligned_distance(a, b, free_ends=free_ends, normalise=False)
    np.testing.assert_allclose(total, 7 * mean, rtol=1e-6)


@pytest.mark.parametrize("small", [True, False])
def test_vectors_of_any_length(monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    monkeypatch.setattr(reid.distances, "_SMALL_CELLS", 10**9 if small else 0)
    rng = np.random.default_rng(8)
    a = (3 * rng.random((30, 4, 8))).astype(np.float32)
    b = (2 * rng.random((20, 4, 8))).astype(np.float32)
    expected = [[recurrence(x, y) for y in b[:3]] for x in a[:4]]
    np.testing.assert_allclose(aligned_distance(a, b)[:4, :3], expected, atol=1e-5)


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_many_pairs_equal_the_same_pairs_a_few_at_a_time(parts: int) -> None:
    rng = np.random.default_rng(15)
    a, b = unit_rows(rng, 25, parts, 8), unit_rows(rng, 40, parts, 8)
    few = np.concatenate([aligned_distance(a[i : i + 3], b) for i in range(0, 25, 3)])
    np.testing.assert_allclose(aligned_distance(a, b), few, atol=1e-6)
    expected = [[recurrence(x, y) for y in b[:4]] for x in a[:4]]
    np.testing.assert_allclose(few[:4, :4], expected, atol=1e-5)


@pytest.mark.parametrize("count", [(40, 30), (30, 70), (70, 2), (1, 90)])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_equal_the_small_way(
    monkeypatch: pytest.MonkeyPatch, count: tuple[int, int], partial: bool, threads: int
) -> None:
    rng = np.random.default_rng(9)
    a, b = unit_rows(rng, count[0], 5, 8), unit_rows(rng, count[1], 5, 8)
    seen: tuple[NDArray[np.float32], ...] = ()
    if partial:
        seen = rng.random((count[0], 5), np.float32), rng.random((count[1], 5), np.float32)
    small = aligned_distance(a, b, *seen)
    monkeypatch.setattr(reid.distances, "_SMALL_CELLS", 0)
    monkeypatch.setattr(reid.aligned_blocks, "_CPU_BLOCK_CELLS", 25 * 100)
    monkeypatch.setattr(reid.aligned_blocks, "_BLOCK_ROWS", 16)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        np.testing.assert_allclose(aligned_distance(a, b, *seen), small, atol=3e-6)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, cells=st.integers(1, 4000), rows=st.integers(1, 9))
def test_the_size_of_the_blocks_changes_nothing(seed: int, cells: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(unit_rows(rng, n, 4, 6)) for n in (7, 11))
    whole = aligned_distance(a, b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reid.aligned_blocks, "_CPU_BLOCK_CELLS", cells)
        patch.setattr(reid.aligned_blocks, "_BLOCK_ROWS", rows)
        np.testing.assert_allclose(aligned_distance(a, b), whole, atol=3e-6)


@pytest.mark.parametrize("free_ends", [False, True])
def test_bfloat16_is_close_and_equal_bodies_stay_at_zero(free_ends: bool) -> None:
    rng = np.random.default_rng(10)
    a = unit_rows(rng, 20, 6, 40)
    exact = aligned_distance(a, a, free_ends=free_ends)
    found = aligned_distance(a, a, free_ends=free_ends, precision="bfloat16")
    np.testing.assert_allclose(found, exact, atol=3e-3)
    assert not np.array_equal(found, exact)
    same = np.broadcast_to(a[:5, :1], (5, 6, 40))
    near = aligned_distance(same, same, free_ends=free_ends, precision="bfloat16")
    np.testing.assert_allclose(near.diagonal(), 0, atol=4e-3)


def test_half_precision_sums_of_the_gpu_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as a GPU gets them: one thread, large, path sums in float16."""
    rng = np.random.default_rng(11)
    a, b = unit_rows(rng, 9, 8, 16), unit_rows(rng, 12, 8, 16)
    exact = aligned_distance(a, b)
    monkeypatch.setattr(reid.aligned_blocks, "_on_gpu", lambda tensor: True)
    found = aligned_distance(a, b, precision="bfloat16")
    np.testing.assert_allclose(found, exact, atol=4e-3)
    seen = rng.random((9, 8), np.float32), rng.random((12, 8), np.float32)
    weighted = aligned_distance(a, b, *seen, precision="bfloat16")
    np.testing.assert_allclose(weighted, aligned_distance(a, b, *seen), atol=1e-2)
    assert found.dtype == weighted.dtype == np.float32


@pytest.mark.parametrize("partial", [False, True])
def test_tensors_give_tensors(partial: bool) -> None:
    rng = np.random.default_rng(12)
    a, b = unit_rows(rng, 6, 4, 8), unit_rows(rng, 5, 4, 8)
    seen: tuple[NDArray[np.float32], ...] = ()
    if partial:
        seen = rng.random((6, 4), np.float32), rng.random((5, 4), np.float32)
    tensors = [torch.from_numpy(array) for array in (a, b, *seen)]
    tensors[0].requires_grad_(True)
    with torch.inference_mode():
        found = aligned_distance(*tensors)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    np.testing.assert_allclose(found, aligned_distance(a, b, *seen), atol=3e-6)


@pytest.mark.parametrize("way", ["numpy", "torch", "free", "bfloat16"])
@pytest.mark.parametrize("partial", [False, True])
def test_a_body_with_nan_is_nan_and_no_other(way: str, partial: bool) -> None:
    rng = np.random.default_rng(13)
    a, b = unit_rows(rng, 4, 5, 8), unit_rows(rng, 3, 5, 8)
    a[1, 3, 2] = np.nan
    arrays = [a, b]
    if partial:
        arrays += [rng.random((4, 5), np.float32) + 0.1, rng.random((3, 5), np.float32) + 0.1]
    given_arrays = [torch.from_numpy(x) for x in arrays] if way == "torch" else arrays
    found = np.asarray(
        aligned_distance(
            *given_arrays,
            free_ends=way == "free",
            precision="bfloat16" if way == "bfloat16" else "float32",
        )
    )
    assert np.isnan(found[1]).all()
    assert np.isfinite(np.delete(found, 1, 0)).all()


def test_read_only_and_other_arrays_are_taken() -> None:
    rng = np.random.default_rng(14)
    a = unit_rows(rng, 12, 4, 8)
    whole = aligned_distance(a, a, free_ends=True)
    a.flags.writeable = False
    np.testing.assert_array_equal(aligned_distance(a, a, free_ends=True), whole)
    half = aligned_distance(a.astype(np.float64)[::-1], a, free_ends=True)
    np.testing.assert_allclose(half, whole[::-1], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, parts=st.integers(1, 6))
def test_the_path_costs_the_distance(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 1, parts, 5), unit_rows(rng, 1, parts, 5)
    path = alignment_path(a[0], b[0])
    assert path[0] == (0, 0)
    assert path[-1] == (parts - 1, parts - 1)
    steps = {(k - i, m - j) for (i, j), (k, m) in pairwise(path)}
    assert steps <= {(0, 1), (1, 0)}
    cost = cell_costs(a[0], b[0])
    mean = sum(cost[cell] for cell in path) / len(path)
    assert mean == pytest.approx(float(aligned_distance(a, b)[0, 0]), abs=2e-4)


def test_the_path_goes_down_first_where_b_lacks_the_top() -> None:
    a = np.eye(3, dtype=np.float32)
    b = np.stack([a[2], a[2], a[2]])
    assert alignment_path(a, b) == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]


def test_small_calls_do_not_import_torch() -> None:
    code = (
        "import sys, numpy as np; from reid.distances import aligned_distance;"
        "aligned_distance(np.ones((2, 4, 3), np.float32), np.ones((1, 4, 3), np.float32));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(("count_a", "count_b"), [(0, 3), (3, 0), (0, 0)])
def test_no_rows(count_a: int, count_b: int) -> None:
    a, b = np.ones((count_a, 4, 8), np.float32), np.ones((count_b, 4, 8), np.float32)
    seen = np.full((count_a, 4), 0.5, np.float32), np.ones((count_b, 4), np.float32)
    assert aligned_distance(a, b).shape == (count_a, count_b)
    assert aligned_distance(a, b, *seen).shape == (count_a, count_b)
    assert aligned_distance(a, b, *seen, free_ends=True).shape == (count_a, count_b)
    assert aligned_distance(torch.from_numpy(a), torch.from_numpy(b)).shape == (count_a, count_b)


def test_parts_and_visibilities_must_fit() -> None:
    a = np.ones((1, 4, 8), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        aligned_distance(a, np.ones((1, 8, 8), np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        aligned_distance(a[0], a[0])
    with pytest.raises(ValueError, match="do not fit"):
        alignment_path(a[0], np.ones((8, 8), np.float32))
    with pytest.raises(ValueError, match="both"):
        aligned_distance(a, a, np.ones((1, 4), np.float32))
    with pytest.raises(ValueError, match="visibility"):
        aligned_distance(a, a, np.ones((1, 4), np.float32), np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match="float16"):
        aligned_distance(a, a, precision="float16")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="do not go together"):
        aligned_distance(a, torch.ones(1, 4, 8))  # type: ignore[call-overload]


def test_cosine_distance() -> None:
    a = np.array([[1, 0], [0, 1]], np.float32)
    b = np.array([[1, 0], [-1, 0], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(cosine_distance(a, b), [[0, 2, 0.4], [1, 1, 0.2]], atol=1e-6)
