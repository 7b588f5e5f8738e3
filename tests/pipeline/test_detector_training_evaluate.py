"""Scoring a detector per data set and over all frames."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.detector_training.evaluate import detect, mean_ap50, score_detector
from pipeline.detector_training.labelled_frame import LabelledFrame, Part

PERSON = [10.0, 10.0, 30.0, 60.0]


class FindsOnePerson:
    """Finds the same box in every picture."""

    def predict(self, picture, **options):
        self.options = options
        boxes = SimpleNamespace(xyxy=torch.tensor([PERSON]), conf=torch.tensor([0.8]))
        return [SimpleNamespace(boxes=boxes)]


def frame(dataset, boxes):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    picture = partial(np.zeros, (100, 200, 3), np.uint8)
    return LabelledFrame(
        dataset, "one", Part.HELD_BACK, picture, boxes, np.zeros(len(boxes), bool), 0.0
    )


def test_detect_asks_for_persons_at_the_given_size():
    model = FindsOnePerson()
    boxes, scores = detect(model, np.zeros((100, 200, 3), np.uint8), imgsz=416, lowest_score=0.1)
    assert boxes.tolist() == [PERSON]
    assert scores.tolist() == pytest.approx([0.8])
    assert (model.options["classes"], model.options["imgsz"], model.options["conf"]) == (
        [0],
        416,
        0.1,
    )


def test_each_data_set_and_all_frames_are_scored():
    missed = [100.0, 10.0, 120.0, 60.0]
    scores = score_detector(
        FindsOnePerson(), [frame("easy", [PERSON]), frame("hard", [PERSON, missed])]
    )
    assert {name: score.ap50 for name, score in scores.items()} == pytest.approx(
        {"easy": 1.0, "hard": 0.5, "overall": 2 / 3}
    )
    assert mean_ap50(scores) == pytest.approx(0.75)
