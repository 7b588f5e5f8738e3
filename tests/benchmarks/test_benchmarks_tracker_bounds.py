from __future__ import annotations

import numpy as np
import pytest

import benchmarks.tracker_bounds as bounds
from benchmarks.synthetic_people import Crowd, Scene
from benchmarks.tracker_bounds import Section, long_run, ratios, sections_table, speed_table
from benchmarks.tracker_ours import Clocked
from trackers.detections import Detections
from trackers.presets import build_tracker

SCENE = Scene(people=4, dimensions=16, parts=2, part_dimensions=8, stay_s=(0.5, 2.0))


def section(frames: int, ms: float, rss_mib: float) -> Section:
    return Section(frames, ms, 9 * ms, rss_mib, open_tracks=31, pieces=1200)


def test_the_ratio_compares_the_last_tenth_with_the_first() -> None:
    assert ratios([section(10, 2, 100), section(20, 9, 900), section(30, 3, 110)]) == (1.5, 1.1)


def test_the_curve_is_a_table() -> None:
    lines = sections_table([section(10_000, 2.5, 812.34)]).splitlines()
    assert lines[2] == "| 10,000 | 2.50 | 22.5 | 812.3 | 31 | 1,200 |"


def test_speed_is_judged_by_the_median() -> None:
    hz = {"without appearance": [990.0, 1400.0, 1010.0], "with cached embeddings": [400.0] * 3}
    assert speed_table(hz).splitlines()[2:] == [
        "| without appearance | 1,010 | 990 | 1,000 | yes |",
        "| with cached embeddings | 400 | 400 | 500 | **no** |",
    ]


def test_a_long_run_has_ten_sections_and_loses_no_frame() -> None:
    tracker = build_tracker("crosswalk")
    sections = long_run(tracker, Crowd(SCENE, 0), 305)
    assert [s.frames for s in sections] == [30, 61, 92, 122, 152, 183, 214, 244, 274, 305]
    assert sum(s.pieces for s in sections) > 3
    assert all(s.slowest_ms >= s.ms > 0 for s in sections)
    assert len(tracker.live()) == sections[-1].open_tracks


class Hoarder(Clocked):
    """A tracker that keeps a MiB of every frame."""

    def __init__(self) -> None:
        super().__init__(build_tracker("crosswalk"))
        self.kept: list[np.ndarray] = []

    def embedding_requests(self, time_s: float, detections: Detections) -> np.ndarray:
        self.kept.append(np.ones(2**17))
        return super().embedding_requests(time_s, detections)


def test_a_tracker_that_keeps_its_frames_is_seen_to_grow() -> None:
    sections = long_run(Hoarder(), Crowd(SCENE, 0), 100)
    steps = np.diff([s.rss_mib for s in sections])
    assert steps == pytest.approx(10, abs=3)


def test_memory_follows_what_the_process_holds() -> None:
    before = bounds.rss_mib()
    ballast = np.ones(8 * 2**20)
    assert bounds.rss_mib() - before > 50
    del ballast
    assert bounds.rss_mib() - before < 50


def test_an_unknown_preset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert bounds.main(["--preset", "nobody"]) == 2
    error = capsys.readouterr().err
    assert "nobody" in error
    assert error.count("\n") == 1
