"""Reading labelled data, teaching, degrading and writing a YOLO data set."""

from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from pipeline.detector_training.dataset import DatasetPlan, write_dataset
from pipeline.detector_training.degrade import degrade
from pipeline.detector_training.labelled_frame import LabelledFrame, Part
from pipeline.detector_training.labelled_sources import mot_frames, yolo_folder_frames
from pipeline.detector_training.pseudo_labels import (
    fill_in_unlabelled,
    sure_boxes,
    video_frames,
)
from pipeline.detector_training.recipe import calibration_images

PICTURE = np.full((100, 200, 3), 128, np.uint8)


def made_frame(boxes, ignored=None, name="one", part=Part.TRAIN):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    flags = np.zeros(len(boxes), bool) if ignored is None else np.array(ignored)
    return LabelledFrame("made", name, part, partial(np.copy, PICTURE), boxes, flags, 0.0)


class Teacher:
    """Answers every picture with the same boxes, as Ultralytics would."""

    def __init__(self, *rows):
        self.rows = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)

    def predict(self, picture, conf, **_):
        kept = self.rows[self.rows[:, 4] >= conf]
        return [SimpleNamespace(boxes=SimpleNamespace(xyxy=kept[:, :4], conf=kept[:, 4]))]


def write_sequence(folder, rows, frames=40):
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=2\nseqLength={frames}\n"
        "imWidth=200\nimHeight=100\nimExt=.jpg\n"
    )
    (folder / "gt" / "gt.txt").write_text("\n".join(",".join(map(str, r)) for r in rows))
    for index in range(frames):
        cv2.imwrite(str(folder / "img1" / f"{index + 1:06d}.jpg"), PICTURE)


def test_mot_boxes_are_clipped_and_hidden_ones_ignored(tmp_path):
    write_sequence(
        tmp_path / "S",
        [
            (1, 1, -10, 20, 30, 60, 1, -1, -1, -1),
            (1, 2, 100, 20, 20, 50, 1, -1, -1, -1),
            (1, 3, 98, 18, 26, 60, 1, -1, -1, -1),
            (2, 4, 50, 20, 20, 40, 0, -1, -1, -1),
        ],
    )
    frames = mot_frames(tmp_path / "S")
    first, second = frames[0], frames[1]
    assert first.boxes_xyxy[0].tolist() == [0, 20, 20, 80]
    assert first.ignored.tolist() == [False, True, False]
    assert second.ignored.tolist() == [True]
    assert first.min_height_px == 50
    assert first.read_bgr().shape == (100, 200, 3)


def test_mot_parts_are_disjoint_and_the_gaps_are_absent(tmp_path):
    write_sequence(tmp_path / "S", [(1, 1, 0, 0, 10, 50, 1, 1, 1)])
    frames = mot_frames(tmp_path / "S")
    names = [frame.name for frame in frames]
    assert len(set(names)) == len(names) == 36
    assert {frame.name: frame.part for frame in frames}["000031"] == Part.HELD_BACK
    assert [f.part for f in frames] == [f.part for f in mot_frames(tmp_path / "S")]


def test_yolo_folder_keeps_persons_only_and_empty_pictures(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name in ("a", "b", "c", "d"):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), PICTURE)
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.4\n2 0.2 0.2 0.1 0.1\n")
    (tmp_path / "labels" / "b.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels" / "c.txt").write_text("")
    frames = {frame.name: frame for frame in yolo_folder_frames(tmp_path, seed=0)}
    np.testing.assert_allclose(frames["a"].boxes_xyxy, [[90, 30, 110, 70]], atol=1e-4)
    assert frames["b"].ignored.tolist() == [True]
    assert len(frames["c"].boxes_xyxy) == len(frames["d"].boxes_xyxy) == 0
    assert sum(frame.part == Part.HELD_BACK for frame in frames.values()) == 1


def test_an_unreadable_picture_is_named(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        yolo_folder_frames(tmp_path, seed=0)


def test_the_teacher_adds_only_people_who_are_not_labelled():
    frame = made_frame([[10, 10, 30, 60]])
    teacher = Teacher(
        [11, 11, 31, 61, 0.9],  # the labelled person
        [12, 12, 28, 30, 0.9],  # a part of that person
        [100, 10, 120, 60, 0.7],  # new
        [150, 10, 170, 60, 0.4],  # doubtful
    )
    filled = fill_in_unlabelled(frame, teacher)
    np.testing.assert_array_equal(filled.boxes_xyxy, [[10, 10, 30, 60], [100, 10, 120, 60]])
    assert filled.ignored.tolist() == [False, False]


def test_a_doubtful_picture_is_no_pseudo_label():
    assert sure_boxes(PICTURE, Teacher([0, 0, 9, 9, 0.9], [20, 0, 29, 9, 0.3])) is None
    assert sure_boxes(PICTURE, Teacher([0, 0, 9, 9, 0.9], [20, 0, 29, 9, 0.1])) is not None
    assert len(sure_boxes(PICTURE, Teacher())) == 0


def test_a_clip_gives_one_frame_per_second(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (200, 100))
    for _ in range(20):
        writer.write(PICTURE)
    writer.release()
    frames = video_frames(path, Teacher([10, 10, 30, 60, 0.9]))
    assert [frame.name for frame in frames] == ["000000", "000005", "000010", "000015"]
    assert all(frame.part == Part.TRAIN for frame in frames)
    with pytest.raises(ValueError, match=r"missing\.avi"):
        video_frames(tmp_path / "missing.avi", Teacher())


def test_degrading_keeps_boxes_on_their_people():
    picture = np.full((200, 400, 3), 10, np.uint8)
    picture[50:150, 100:140] = 250
    boxes = np.array([[100, 50, 140, 150]], np.float32)
    small, moved = degrade(picture, boxes, np.random.default_rng(0))
    assert small.shape[0] < 160
    bright = np.argwhere(small[..., 0] > 128)
    found = [*bright.min(axis=0)[::-1], *(bright.max(axis=0)[::-1] + 1)]
    np.testing.assert_allclose(found, moved[0], atol=1.5)


def test_writing_leaves_out_ignored_boxes_and_refuses_to_overwrite(tmp_path):
    train = [made_frame([[50, 25, 100, 75], [0, 0, 9, 9]], [False, True])]
    choose = [made_frame([], name="two")]
    plan = DatasetPlan(degraded_share=1.0)
    data = write_dataset(train, choose, tmp_path, plan)
    label = tmp_path / "labels" / "train" / "made_one.txt"
    assert label.read_text() == "0 0.375000 0.500000 0.250000 0.500000\n"
    assert (tmp_path / "images" / "train" / "made_one_degraded.jpg").exists()
    assert (tmp_path / "labels" / "choose" / "made_two.txt").read_text() == ""
    assert not (tmp_path / "images" / "choose" / "made_two_degraded.jpg").exists()
    assert "person" in data.read_text()
    assert len(calibration_images(tmp_path, 1)) == 1
    assert len(calibration_images(tmp_path, 9)) == 2
    with pytest.raises(FileExistsError, match="already holds"):
        write_dataset(train, choose, tmp_path, plan)
