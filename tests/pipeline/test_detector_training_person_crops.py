"""Cutting people out of footage for the embedder."""

from functools import partial

import cv2
import numpy as np
import pytest

from pipeline.detector_training.labelled_frame import LabelledFrame, Part
from pipeline.detector_training.person_crops import footage_frames, write_person_crops

PICTURE = np.repeat(np.arange(0, 200, dtype=np.uint8), 300).reshape(200, 100, 3)


def frame(boxes, ignored=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    flags = np.zeros(len(boxes), bool) if ignored is None else np.array(ignored)
    return LabelledFrame("made", "one", Part.TRAIN, partial(np.copy, PICTURE), boxes, flags, 0.0)


def test_people_are_cut_out(tmp_path):
    boxes = [(10, 20, 50, 120), (60, 10, 90, 40), (60, 100, 140, 199.5), (0, 0, 40, 90)]
    folder = tmp_path / "deep" / "crops"
    assert write_person_crops([frame(boxes, [False, False, False, True])], folder) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["made_one_0.jpg", "made_one_2.jpg"]
    crop = cv2.imread(str(folder / "made_one_0.jpg"))
    assert crop.shape == (100, 40, 3)
    assert np.abs(crop.astype(int) - PICTURE[20:120, 10:50]).mean() < 3, "JPEG noise only"
    assert cv2.imread(str(folder / "made_one_2.jpg")).shape == (100, 40, 3), "clipped"


def test_nobody(tmp_path):
    assert write_person_crops([frame([])], tmp_path / "crops") == 0


def test_a_folder_is_not_mixed_with_an_earlier_one(tmp_path):
    with pytest.raises(FileExistsError):
        write_person_crops([frame([])], tmp_path)


@pytest.mark.slow
def test_footage_is_of_training_frames_and_never_of_the_office(shared_dir):
    frames = footage_frames(shared_dir)
    assert {each.part for each in frames} == {Part.TRAIN}
    names = {each.dataset for each in frames}
    assert names == {
        "pennfudan", "coco128", "composites",
        "one-by-one-person-detection", "people-detection",
    }  # fmt: skip
