"""Videos and plots of tracks: who is where, in which colour, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.clip_writer import clip_suffix
from pipeline.tracking.colours import colour_bgr
from pipeline.tracking.sequence_folder import SequenceError, SequenceFolder, read_sequences
from pipeline.tracking.track_plot import (
    NOBODY,
    NOBODY_BGR,
    covered_people,
    draw_plot,
    frame_x,
    write_plot,
)
from pipeline.tracking.track_video import drawn_frames, render_sequence
from tests.pipeline.tracking.sequence_builders import box_ltwh, write_sequence
from trackers.motfile import MotRows


@pytest.fixture
def sequence(tmp_path: Path) -> SequenceFolder:
    return read_sequences([write_sequence(tmp_path, n_frames=40)])[0]


def has_colour(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture has exactly this colour."""
    return np.asarray((image == np.array(colour)).all(axis=2))


def tracks_of(rows: MotRows, ids: list[int]) -> MotRows:
    return MotRows(rows.frames, ids, rows.boxes_xyxy, rows.scores)


def test_colours_of_neighbours_differ() -> None:
    colours = np.array([colour_bgr(number) for number in range(40)])
    assert colours.min() >= 0
    assert colours.max() <= 255
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    assert apart[~np.eye(40, dtype=bool)].min() > 10
    assert min(apart[k, k + 1] for k in range(39)) > 100
    assert NOBODY_BGR not in {tuple(colour) for colour in colours.tolist()}


def test_boxes_have_the_colour_of_their_id(sequence: SequenceFolder) -> None:
    images = list(drawn_frames(sequence, sequence.ground_truth()))
    assert len(images) == 40
    for person in (1, 2):
        left, top, _, height = box_ltwh(person, 5)
        edge = has_colour(images[4], colour_bgr(person))[top + height // 2]
        assert edge[left - 1 : left + 2].any()


def test_trails_go_back_two_seconds(sequence: SequenceFolder) -> None:
    rows = sequence.ground_truth()
    short = rows.select((rows.ids == 1) & (rows.frames <= 10))
    drawn, bare = drawn_frames(sequence, short), drawn_frames(sequence, MotRows.empty())
    traces = [(a != b).any() for a, b in zip(drawn, bare, strict=True)]
    assert all(traces[:29])  # the newest point of the trail is of frame 10, at 10 frames/s
    assert not any(traces[30:])


def test_a_video_has_all_frames_and_appears_whole(sequence: SequenceFolder, tmp_path: Path) -> None:
    path, told = tmp_path / "new" / f"walk{clip_suffix()}", []
    render_sequence(path, sequence, sequence.ground_truth(), lambda *at: told.append(at))
    assert told[-1] == (40, 40)
    assert len(told) == 40
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    assert count == 40
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_broken_picture_leaves_no_video(sequence: SequenceFolder, tmp_path: Path) -> None:
    sequence.image_files[30].write_bytes(b"no picture")
    with pytest.raises(SequenceError, match=r"000031\.png: not a picture"):
        render_sequence(tmp_path / "v" / f"w{clip_suffix()}", sequence, sequence.ground_truth())
    assert list((tmp_path / "v").iterdir()) == []


def test_boxes_cover_whom_they_overlap_most() -> None:
    gt = MotRows([1, 1, 2], [5, 6, 5], [[0, 0, 10, 20], [4, 0, 14, 20], [0, 0, 10, 20]], [1] * 3)
    hyp = MotRows(
        [1, 1, 2, 3],
        [1, 2, 1, 1],
        [[5, 0, 15, 20], [0, 0, 10, 20], [6, 0, 16, 20], [0, 0, 10, 20]],
        [1] * 4,
    )
    assert covered_people(gt, hyp).tolist() == [1, 0, NOBODY, NOBODY]


def test_a_plot_shows_whom_each_track_covers(sequence: SequenceFolder) -> None:
    gt = sequence.ground_truth()
    swapped = [3 - i if f > 20 else i for f, i in zip(gt.frames, gt.ids, strict=True)]
    rows = tracks_of(gt, [10 * i for i in swapped])
    far = MotRows([7], [30], [[60, 0, 70, 5]], [1])
    image = draw_plot("walk", gt, MotRows.concatenate([rows, far]), 40)
    expected = {  # row of the plot: colours at frames 5 and 35
        0: (colour_bgr(1), colour_bgr(2)),
        1: (colour_bgr(2), colour_bgr(1)),
        2: ((255, 255, 255), (255, 255, 255)),
    }
    for row, colours in expected.items():
        for frame, colour in zip((5, 35), colours, strict=True):
            assert tuple(image[26 + 14 * row + 3, frame_x(frame, 40) + 9]) == colour
    assert tuple(image[26 + 28 + 3, frame_x(7, 40) + 5]) == NOBODY_BGR
    below = 26 + 3 * 14 + 26
    for row, person in ((0, 1), (1, 2)):
        for frame in (5, 35):
            pixel = image[below + 14 * row + 3, frame_x(frame, 40) + 9]
            assert tuple(pixel) == colour_bgr(person)


@pytest.mark.parametrize("n_frames", [1, 12, 13, 5000])
def test_plots_of_any_length(n_frames: int) -> None:
    gt = MotRows([1, n_frames], [1, 2], [[0, 0, 9, 9], [20, 0, 29, 9]], [1, 1])
    image = draw_plot("x", gt, MotRows.empty(), n_frames)
    assert has_colour(image, colour_bgr(1)).any()
    assert has_colour(image, colour_bgr(2)).any()


def test_a_plot_is_written_whole(sequence: SequenceFolder, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "walk.png"
    gt = sequence.ground_truth()
    write_plot(path, "walk", gt, gt, 40)
    np.testing.assert_array_equal(cv2.imread(str(path)), draw_plot("walk", gt, gt, 40))
    assert [p.name for p in path.parent.iterdir()] == ["walk.png"]
