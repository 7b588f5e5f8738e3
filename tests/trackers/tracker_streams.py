"""Streams of detections as hypothesis draws them, for the tests of what all trackers promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from tracker_builders import EVERY_PRESET, Drive, Sighting, box

from trackers.pieces import TrackPiece
from trackers.presets import build_tracker

some = settings(max_examples=5, deadline=None)
every_preset = pytest.mark.parametrize("preset", EVERY_PRESET)
Stream = list[tuple[int, float, list[Sighting]]]
BROKEN = [(np.nan, 0.0, 10.0, 10.0), (50.0, 50.0, 10.0, 10.0), (0.0, 0.0, np.inf, 9.0)]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """(frame, seconds, sightings), eight frames a second, of which some are left out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(1, 4))
    seen_share = draw(st.sampled_from([0.5, 0.9, 1.0]))
    broken_share = draw(st.sampled_from([0.0, 0.1]))
    start, speed = rng.uniform(50, 600, people), rng.uniform(-15, 15, people)
    frame, time_s = 0, 0.0
    made = []
    for step in range(draw(st.integers(1, 25))):
        sightings = [
            Sighting(who, box(start[who] + speed[who] * step), float(rng.uniform(0.05, 1)))
            for who in rng.permutation(people).tolist()
            if rng.random() < seen_share
        ]
        if rng.random() < broken_share:
            wrong = np.array(BROKEN[int(rng.integers(len(BROKEN)))], np.float32)
            sightings.insert(0, Sighting(99, wrong))
        made.append((frame, time_s, sightings))
        pause = int(rng.integers(1, 4)) if rng.random() < 0.9 else int(rng.integers(10, 60))
        frame, time_s = frame + pause, time_s + pause / 8
    return made


def drive(stream: Stream, preset: str, overrides: dict[str, Any] | None = None) -> Drive:
    """Run a stream to its end."""
    run = Drive(build_tracker(preset, overrides), noise=0.2)
    for frame, time_s, sightings in stream:
        run.frame(frame, time_s, sightings)
    run.pieces += run.tracker.close()
    return run


def detections_of(piece: TrackPiece) -> list[tuple[int, int]]:
    pairs = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
    return [pair for pair in pairs if pair[1] >= 0]


def assert_same(one: list[TrackPiece], other: list[TrackPiece], hours: float = 0.0) -> None:
    """The same pieces, but for the clock."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.track_id, a.piece) == (b.track_id, b.piece)
        np.testing.assert_array_equal(a.frame_indices, b.frame_indices)
        np.testing.assert_array_equal(a.detection_rows, b.detection_rows)
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
        np.testing.assert_allclose(a.times_s + hours, b.times_s, atol=1e-6)
