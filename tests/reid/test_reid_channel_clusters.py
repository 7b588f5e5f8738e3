"""Peaks, clusters of channels, part boxes and box means of PL-Net, by plain loops in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reid.heads.box_pooling import box_mean, covered, stripe_mean
from reid.heads.channel_clusters import ChannelClusters, cluster_rows, peaks

FRACTION = st.floats(0, 1)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_peaks_by_hand() -> None:
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    value, y, x = peaks(maps)
    for b in range(2):
        for c in range(3):
            cells = [(float(maps[b, c, r, q]), r, q) for r in range(4) for q in range(5)]
            best, row, column = max(cells)
            assert float(value[b, c]) == best
            assert float(y[b, c]) == pytest.approx((row + 0.5) / 4)
            assert float(x[b, c]) == pytest.approx((column + 0.5) / 5)


def cluster_by_hand(rows: list[float], count: int, rounds: int) -> list[int]:
    """Lloyd's rounds with plain lists."""
    wanted = sorted(rows)
    long, size = len(rows) % count, len(rows) // count
    centres, start = [], 0
    for k in range(count):
        run = wanted[start : start + size + (k < long)]
        start += len(run)
        centres.append(sum(run) / len(run))

    def nearest(row: float) -> int:
        return min(range(count), key=lambda k: (abs(row - centres[k]), k))

    for _ in range(rounds):
        chosen = [nearest(row) for row in rows]
        for k in range(count):
            members = [row for row, own in zip(rows, chosen, strict=True) if own == k]
            if members:
                centres[k] = sum(members) / len(members)
    return [nearest(row) for row in rows]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(0, 16).map(lambda n: n / 16), min_size=5, max_size=16),
    count=st.integers(1, 5),
    rounds=st.integers(1, 10),
)
def test_clusters_by_hand(rows: list[float], count: int, rounds: int) -> None:
    found = cluster_rows(torch.tensor(rows, dtype=torch.float64), count, rounds).tolist()
    assert found == cluster_by_hand(rows, count, rounds)
    by_row = [part for _, part in sorted(zip(rows, found, strict=True))]
    assert by_row == sorted(by_row)


def test_clusters_of_three_bands() -> None:
    rows = torch.tensor([0.9, 0.1, 0.5, 0.12, 0.93, 0.49, 0.88, 0.52, 0.09])
    assert cluster_rows(rows, 3).tolist() == [2, 0, 1, 0, 2, 1, 2, 1, 0]


def test_a_cluster_that_loses_its_rows_keeps_its_centre() -> None:
    """Cluster 2 is empty in the end; a centre at 0 instead would take the row at 0."""
    rows = [0.6875, 0.3125, 0.25, 0.625, 0.0, 0.0625, 0.25, 0.6875]
    found = cluster_rows(torch.tensor(rows), 4).tolist()
    assert found == cluster_by_hand(rows, 4, 10) == [3, 1, 1, 3, 0, 0, 1, 3]


def test_equal_rows_are_one_cluster() -> None:
    assert cluster_rows(torch.full((4,), 0.5), 3).tolist() == [0, 0, 0, 0]


def spots(rows: list[int], height: int = 8, width: int = 4) -> Tensor:
    """(1, C, height, width) with one spot per channel in column 1; -1 is a channel without."""
    maps = torch.zeros(1, len(rows), height, width)
    for channel, row in enumerate(rows):
        if row >= 0:
            maps[0, channel, row, 1] = 1
    return maps


def test_training_learns_the_rows_and_search_keeps_them() -> None:
    clusters = ChannelClusters(4, 2, momentum=0.5).train()
    before = clusters.mean_row.clone()
    clusters(spots([7, 0, 6, -1]), 1.0, 0.1)
    rows = (7.5 / 8, 0.5 / 8, 6.5 / 8)
    expected = [(old + row) / 2 for old, row in zip(before[:3].tolist(), rows, strict=True)]
    assert clusters.mean_row.tolist() == pytest.approx([*expected, float(before[3])])
    for _ in range(8):
        clusters(spots([7, 0, 6, -1]), 1.0, 0.1)
    assert clusters.part.tolist() == [1, 0, 1, 1]
    kept = {name: value.clone() for name, value in clusters.state_dict().items()}
    clusters.eval()(spots([0, 7, 0, 3]), 1.0, 0.1)
    for name, value in clusters.state_dict().items():
        torch.testing.assert_close(value, kept[name])


def test_a_picture_without_a_response_does_not_move_a_channel() -> None:
    clusters = ChannelClusters(2, 1, momentum=1.0).train()
    maps = torch.cat([spots([7, 5]), spots([-1, 1])])
    clusters(maps, 1.0, 0.1)
    assert clusters.mean_row.tolist() == pytest.approx([7.5 / 8, (5.5 + 1.5) / 16])


def box_by_hand(
    maps: Tensor, part: list[int], k: int, parts: int, spread: float, least_side: float
) -> list[float]:
    """x_min, y_min, x_max, y_max of part k in one picture (C, h, w)."""
    height, width = maps.shape[1:]
    found = []
    for channel, own in enumerate(part):
        cells = [(float(maps[channel, y, x]), -y, -x) for y in range(height) for x in range(width)]
        best, y, x = max(cells)
        if own == k and best > 0:
            found.append(((0.5 - x) / width, (0.5 - y) / height))
    if not found:
        return [0.0, k / parts, 1.0, (k + 1) / parts]
    low, high = [], []
    for axis in range(2):
        values = [one[axis] for one in found]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        half = min(max(spread * deviation, least_side / 2), 0.5)
        centre = min(max(mean, half), 1 - half)
        low.append(centre - half)
        high.append(centre + half)
    return low + high


@pytest.mark.parametrize(("spread", "least_side"), [(1.73, 0.2), (0.5, 0.05), (4.0, 1.0)])
def test_boxes_by_hand(spread: float, least_side: float) -> None:
    clusters = ChannelClusters(12, 3).double().eval()
    maps = torch.relu(torch.randn(5, 12, 6, 4, dtype=torch.float64))
    maps[0, clusters.part == 1] = 0
    found = clusters(maps, spread, least_side)
    assert ((found >= -1e-12) & (found <= 1 + 1e-12)).all()
    for b in range(5):
        for k in range(3):
            expected = box_by_hand(maps[b], clusters.part.tolist(), k, 3, spread, least_side)
            assert found[b, k].tolist() == pytest.approx(expected)


def test_a_part_without_a_response_gets_its_stripe() -> None:
    found = ChannelClusters(6, 3).eval()(torch.zeros(1, 6, 6, 4), 1.0, 0.1)
    expected = [[0, 0, 1, 1 / 3], [0, 1 / 3, 1, 2 / 3], [0, 2 / 3, 1, 1]]
    torch.testing.assert_close(found[0], torch.tensor(expected))


def overlap(low: float, high: float, cell: int, cells: int) -> float:
    return max(0.0, min(high, (cell + 1) / cells) - max(low, cell / cells))


@settings(max_examples=40, deadline=None)
@given(ends=st.tuples(FRACTION, FRACTION), cells=st.integers(1, 9))
def test_covered_by_hand(ends: tuple[float, float], cells: int) -> None:
    low, high = sorted(ends)
    found = covered(*torch.tensor([low, high], dtype=torch.float64).unbind(), cells)
    expected = [cells * overlap(low, high, cell, cells) for cell in range(cells)]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_box_mean_by_hand() -> None:
    maps = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    corners = torch.rand(2, 4, 2, 2, dtype=torch.float64).sort(2).values
    boxes = corners.flatten(2)
    found = box_mean(maps, boxes)
    for b in range(2):
        for r in range(4):
            x0, y0, x1, y1 = boxes[b, r].tolist()
            for c in range(3):
                total = 0.0
                for y in range(5):
                    for x in range(4):
                        area = overlap(y0, y1, y, 5) * overlap(x0, x1, x, 4)
                        total += area * float(maps[b, c, y, x])
                mean = total / ((x1 - x0) * (y1 - y0))
                assert float(found[b, r, c]) == pytest.approx(mean)


def test_the_whole_picture_is_the_plain_mean() -> None:
    maps = torch.randn(2, 3, 5, 4)
    whole = torch.tensor([0.0, 0, 1, 1]).expand(2, 1, 4)
    torch.testing.assert_close(box_mean(maps, whole)[:, 0], maps.mean((2, 3)))


@pytest.mark.parametrize(("height", "count"), [(6, 3), (6, 4), (5, 2), (3, 5), (4, 1)])
def test_stripe_mean_by_hand(height: int, count: int) -> None:
    maps = torch.randn(2, 3, height, 2, dtype=torch.float64)
    found = stripe_mean(maps, count)
    assert found.shape == (2, 3, count)
    for k in range(count):
        share = [count * overlap(k / count, (k + 1) / count, y, height) for y in range(height)]
        rows = maps.mean(3)
        expected = sum(s * rows[:, :, y] for y, s in enumerate(share))
        torch.testing.assert_close(found[:, :, k], expected)


def test_box_mean_gradients() -> None:
    maps = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[[0.1, 0.22, 0.74, 0.9], [0.03, 0.31, 0.6, 0.47]]]).double()
    assert torch.autograd.gradcheck(box_mean, (maps, boxes.requires_grad_()))
