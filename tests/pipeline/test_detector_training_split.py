"""The split never mixes a scored frame into training, and is always the same."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detector_training.labelled_frame import Part
from pipeline.detector_training.split import split_in_time, split_shuffled


@given(st.integers(1, 3000), st.sampled_from([5.0, 10.0, 14.0, 25.0, 30.0]))
def test_parts_follow_each_other_with_a_second_between(frame_count, rate_hz):
    parts = split_in_time(frame_count, rate_hz)
    assert len(parts) == frame_count
    where = {part: [i for i, p in enumerate(parts) if p == part] for part in Part}
    used = [part for part in Part if where[part]]
    for earlier, later in pairwise(used):
        assert where[later][0] - where[earlier][-1] > round(rate_hz)


def test_the_last_quarter_is_held_back():
    parts = split_in_time(795, 10)
    assert parts[596:] == [Part.HELD_BACK] * 199
    assert parts[586:596] == [None] * 10
    assert parts[477:586] == [Part.CHOOSE] * 109
    assert parts[467:477] == [None] * 10
    assert parts[:467] == [Part.TRAIN] * 467


def test_a_short_recording_has_no_choosing_part():
    parts = split_in_time(71, 25)
    assert Part.CHOOSE not in parts
    assert parts.count(Part.TRAIN) == 28
    assert parts.count(Part.HELD_BACK) == 18


@given(st.sets(st.text("abc012", min_size=1, max_size=6), max_size=40), st.integers(0, 9))
def test_a_shuffled_split_depends_on_names_and_seed_only(names, seed):
    ordered = sorted(names)
    first = split_shuffled(ordered, seed)
    assert first == split_shuffled(ordered[::-1], seed)
    assert set(first) == names
    assert sum(p == Part.HELD_BACK for p in first.values()) == round(len(names) * 0.25)


def test_another_seed_splits_differently():
    names = [f"{i:03d}" for i in range(100)]
    assert split_shuffled(names, 0) != split_shuffled(names, 1)


@pytest.mark.parametrize("seed", [0, 7])
def test_drawn_pictures_of_different_parts_differ(seed):
    from pipeline.detector_training.composites import composite_frames

    train = composite_frames(2, Part.TRAIN, seed)
    again = composite_frames(2, Part.TRAIN, seed)
    held_back = composite_frames(2, Part.HELD_BACK, seed)
    for one, same, other in zip(train, again, held_back, strict=True):
        np.testing.assert_array_equal(one.read_bgr(), same.read_bgr())
        np.testing.assert_array_equal(one.boxes_xyxy, same.boxes_xyxy)
        assert not np.array_equal(one.read_bgr(), other.read_bgr())
