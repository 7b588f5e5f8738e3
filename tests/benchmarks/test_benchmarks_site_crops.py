"""Which labelled boxes become crops and tracklets, on small drawn footage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_footage import BOX_WH, FPS, PEOPLE, SIZE_WH, write_footage

from benchmarks.site_crops import (
    CutRules,
    clear_boxes,
    cut_site,
    evenly,
    labelled_tracklets,
    recordings_in,
)
from benchmarks.sources import frames_at
from pipeline.evaluation import LabelledCamera
from trackers.motfile import MotRows

RULES = CutRules()


def rows_of(rows: list[tuple[int, int, float, float, float, float]]) -> MotRows:
    """MOT rows of (frame, person, left, top, right, bottom)."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    frames, ids = values[:, 0].astype(np.int64), values[:, 1].astype(np.int64)
    return MotRows(frames, ids, values[:, 2:], np.ones(len(values), np.float32))


def standing(person: int, frames: list[int], left: float = 50) -> MotRows:
    return rows_of([(frame, person, left, 20, left + 20, 80) for frame in frames])


def tracklets(
    gt: MotRows, ignore: MotRows | None = None, *, last: int = 999, rules: CutRules = RULES
) -> list[tuple[int, list[int]]]:
    """(person, frames) of each tracklet at 5 frames/s."""
    one = LabelledCamera("a", gt, ignore or MotRows.empty())
    found = labelled_tracklets(one, FPS, SIZE_WH, last, rules)
    return [(each.person, each.frames.tolist()) for each in found]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([1, 2, 3], [[1, 2, 3]], id="one run"),
        pytest.param([1, 6], [[1, 6]], id="a gap of 1 s does not divide"),
        pytest.param([1, 7], [[1], [7]], id="a longer one does"),
        pytest.param([9, 1, 2], [[1, 2], [9]], id="in any order"),
        pytest.param([1, 2, 20, 21, 40], [[1, 2], [20, 21], [40]], id="three"),
    ],
)
def test_a_tracklet_is_a_run_without_a_long_gap(
    frames: list[int], expected: list[list[int]]
) -> None:
    assert tracklets(standing(3, frames)) == [(3, run) for run in expected]


def test_people_and_the_last_frame() -> None:
    gt = MotRows.concatenate([standing(2, [1, 2, 3]), standing(1, [2, 3, 4], left=100)])
    assert tracklets(gt) == [(1, [2, 3, 4]), (2, [1, 2, 3])]
    assert tracklets(gt, last=2) == [(1, [2]), (2, [1, 2])]
    assert tracklets(gt, last=1) == [(2, [1])]


@pytest.mark.parametrize(
    ("frames", "most", "expected"),
    [
        ([3, 4, 9], 3, [0, 1, 2]),
        ([], 3, []),
        (list(range(100, 181)), 8, [5, 15, 25, 35, 45, 55, 65, 75]),
        ([0, 1, 2, 3, 100], 2, [3, 4]),
        ([0, 1, 2, 3, 100], 4, [3, 4]),
        ([0, 2, 4], 2, [0, 1]),
    ],
)
def test_evenly_in_time(frames: list[int], most: int, expected: list[int]) -> None:
    assert evenly(np.array(frames, np.int64), most).tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_evenly_equals_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.choice(300, rng.integers(9, 60), replace=False))
    nearest = set()
    for k in range(8):
        middle = frames[0] + (k + 0.5) * (frames[-1] - frames[0]) / 8
        nearest.add(min(range(len(frames)), key=lambda row: (abs(frames[row] - middle), row)))
    assert evenly(frames, 8).tolist() == sorted(nearest)


@pytest.mark.parametrize(
    ("other", "ignored", "clear"),
    [
        pytest.param((1, 2, 60, 20, 80, 80), None, True, id="half in another box"),
        pytest.param((1, 2, 59, 20, 79, 80), None, False, id="more than half"),
        pytest.param((2, 2, 50, 20, 70, 80), None, True, id="of another frame"),
        pytest.param(None, (1, -1, 50, 20, 70, 38), True, id="0.3 ignored"),
        pytest.param(None, (1, -1, 50, 20, 70, 39), False, id="more ignored"),
        pytest.param(None, (3, -1, 50, 20, 70, 80), True, id="ignored in another frame"),
        pytest.param((1, 2, 50, 20, 56, 80), (1, -1, 60, 20, 65, 80), True, id="little of both"),
    ],
)
def test_boxes_that_lie_in_others(
    other: tuple[int, ...] | None, ignored: tuple[int, ...] | None, clear: bool
) -> None:
    gt = rows_of([(1, 1, 50, 20, 70, 80), *([other] if other else [])])  # type: ignore[list-item]
    ignore = rows_of([ignored] if ignored else [])  # type: ignore[list-item]
    assert bool(clear_boxes(gt, ignore, RULES)[0]) is clear


def test_coverage_is_of_the_own_area_and_two_halves_do_not_add_up() -> None:
    large, small = (1, 1, 0, 0, 100, 100), (1, 2, 10, 10, 30, 30)
    assert clear_boxes(rows_of([large, small]), MotRows.empty(), RULES).tolist() == [True, False]
    sides = [(1, 2, 0, 0, 45, 100), (1, 3, 55, 0, 100, 100)]
    gt = rows_of([large, *sides])  # type: ignore[list-item]
    assert clear_boxes(gt, MotRows.empty(), RULES)[0]


def test_a_hidden_box_is_not_cut_but_does_not_divide() -> None:
    gt = standing(1, list(range(1, 16)))
    ignore = rows_of([(frame, -1, 50, 20, 70, 80) for frame in range(4, 13)])
    assert tracklets(gt, ignore) == [(1, [1, 2, 3, 13, 14, 15])]
    everything = rows_of([(frame, -1, 50, 20, 70, 80) for frame in range(1, 16)])
    assert tracklets(gt, everything) == []


def test_boxes_too_small_inside_the_picture_are_not_cut() -> None:
    gt = rows_of([(1, 1, -30, 20, 3, 80), (2, 1, -30, 20, 4, 80), (3, 1, 170, 20, 190, 80)])
    assert tracklets(gt) == [(1, [2])]


PLACES = {
    "left": {1: dict.fromkeys(range(1, 13), 10), 2: dict.fromkeys(range(5, 9), 100)},
    "right": {3: dict.fromkeys([2, 3], 60), 1: {11: 20, 12: 30}},
}


def test_crops_show_the_people_that_their_labels_name(tmp_path: Path) -> None:
    labelled = write_footage(tmp_path, PLACES, 12)
    recordings = recordings_in(tmp_path, ["left", "right"])
    site = cut_site(labelled, recordings, 12, CutRules(most=4))
    assert site.cameras == ("left", "right")
    assert np.bincount(site.owner).tolist() == [4, 4, 2, 2]
    assert site.labels.identities.tolist() == [1] * 4 + [2] * 4 + [1] * 2 + [3] * 2
    assert site.labels.cameras.tolist() == [0] * 8 + [1] * 4
    assert [str(path) for path in site.labels.paths[-4:]] == [
        *("right/000011_1", "right/000012_1", "right/000002_3", "right/000003_3")
    ]
    for picture, person in zip(site.pictures, site.labels.identities.tolist(), strict=True):
        assert picture.shape == (BOX_WH[1], BOX_WH[0], 3)
        middle = picture[10:-10, 6:-6].reshape(-1, 3).mean(0)
        assert np.abs(middle - PEOPLE[person]).max() < 20


def test_frames_count_from_one(tmp_path: Path) -> None:
    write_footage(tmp_path, {"a": {1: {3: 10}}}, 4)
    shown = {
        frame: bool(picture[60, 20, 2] > 180)
        for frame, picture in frames_at(tmp_path / "a.avi", [4, 3, 1])
    }
    assert shown == {1: False, 3: True, 4: False}
    with pytest.raises(SystemExit, match=r"a\.avi: frame 5 cannot be read"):
        list(frames_at(tmp_path / "a.avi", [5]))


def test_recordings_are_found_by_name(tmp_path: Path) -> None:
    write_footage(tmp_path, {"a": {1: {1: 10}}}, 1)
    assert recordings_in(tmp_path, ["a"]) == {"a": tmp_path / "a.avi"}
    with pytest.raises(SystemExit, match="0 recordings of camera b"):
        recordings_in(tmp_path, ["a", "b"])
    (tmp_path / "a.MP4").write_bytes(b"")
    with pytest.raises(SystemExit, match="2 recordings of camera a"):
        recordings_in(tmp_path, ["a"])


def test_nothing_to_cut(tmp_path: Path) -> None:
    labelled = write_footage(tmp_path, {"a": {1: {3: 10}}}, 4)
    with pytest.raises(SystemExit, match="no labelled person"):
        cut_site(labelled, recordings_in(tmp_path, ["a"]), 2)
