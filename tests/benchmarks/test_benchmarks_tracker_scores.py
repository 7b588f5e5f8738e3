from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.tracker_scores import Entry, Score, failures, score_table
from trackers.motfile import MotRows

GOOD = Score(0.6, 0.8, 0.7, 0.5, idsw=3, frames=100, seconds=0.5)
BAD = Score(0.4, 0.5, 0.3, 0.1, idsw=8, frames=300, seconds=1.5)
ENTRIES = (
    Entry("low", {"one": BAD}),
    Entry("broken", {}, "no such module"),
    Entry("high", {"one": GOOD, "two": BAD}),
)


def test_the_mean_weighs_sequences_alike_and_adds_costs() -> None:
    mean = ENTRIES[2].mean
    assert mean.ratios == pytest.approx((0.5, 0.65, 0.5, 0.3))
    assert (mean.idsw, mean.frames, mean.seconds) == (11, 400, 2.0)
    assert mean.hz == 200


def test_no_time_is_infinitely_fast() -> None:
    assert math.isinf(Score(1, 1, 1, 1, 0, 10, 0.0).hz)


def test_a_sequence_is_sorted_by_hota_with_the_failed_last() -> None:
    lines = score_table(ENTRIES, "one").splitlines()
    assert lines[0] == "| tracker | HOTA | IDF1 | AssA | DetA | IDSW | Hz |"
    assert lines[2:] == [
        "| high | 60.0 | 80.0 | 70.0 | 50.0 | 3 | 200 |",
        "| low | 40.0 | 50.0 | 30.0 | 10.0 | 8 | 200 |",
        "| broken | **did not run** | – | – | – | – | – |",
    ]
    assert "| high | 50.0 | 65.0 |" in score_table(ENTRIES, None)


def test_a_failure_is_named_with_its_reason() -> None:
    assert failures(ENTRIES) == "- **broken did not run**: no such module"
    assert failures(ENTRIES[::2]) == ""
    assert ENTRIES[1].as_dict() == {"name": "broken", "failure": "no such module"}
    assert ENTRIES[2].as_dict()["mean"]["idsw"] == 11


def test_scores_of_boxes() -> None:
    """Two frames of one person; the tracker changes the id, and one id covers half of the boxes."""
    boxes = np.array([[0, 0, 10, 20], [1, 0, 11, 20]], np.float32)
    frames, ones = np.array([1, 2]), np.ones(2)
    gt = MotRows(frames, np.array([5, 5]), boxes, ones)
    perfect = Score.of(gt, gt, 2, 0.1)
    assert perfect.ratios == pytest.approx((1, 1, 1, 1))
    switched = Score.of(gt, MotRows(frames, np.array([1, 2]), boxes, ones), 2, 0.1)
    assert (switched.idsw, switched.det_a) == (1, pytest.approx(1))
    assert switched.ass_a == pytest.approx(0.5)
    assert switched.idf1 == pytest.approx(0.5)
    assert switched.hota == pytest.approx(math.sqrt(0.5))
