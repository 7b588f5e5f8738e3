from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from rich.console import Console

from pipeline.heartbeat import CameraProgress, CameraState, Heartbeat
from pipeline.progress import (
    LiveTable,
    LogLines,
    RateMeter,
    WarningLines,
    format_seconds,
    make_reporter,
    progress_table,
    time_left_s,
)
from pipeline.stage_clock import StageClock
from pipeline.summary import RunSummary
from pipeline.tally import CameraTotals, Tally


def beat(pid: int = 1, final: bool = False, pending: int = 0, **camera: object) -> Heartbeat:
    progress = CameraProgress("door", **camera)  # type: ignore[arg-type]
    return Heartbeat(0, pid, (progress,), pending, final)


def totals(*beats: Heartbeat) -> CameraTotals:
    tally = Tally(["door"])
    for one in beats:
        tally.update(one)
    return tally.cameras()[0]


def test_a_camera_that_has_not_reported_is_waiting() -> None:
    assert Tally(["door", "yard"]).cameras() == [CameraTotals("door"), CameraTotals("yard")]


def test_a_restarted_recording_counts_its_frames_once_and_its_time_twice() -> None:
    camera = totals(
        beat(1, frames=5, frames_here=5, wall_s=1, stage_s={"detect": 1.0}, warnings=("a",)),
        beat(1, frames=10, frames_here=10, wall_s=2, stage_s={"detect": 2.0}, warnings=("a",)),
        beat(
            2,
            frames=14,
            frames_here=4,
            tracklets=3,
            wall_s=2,
            stage_s={"detect": 1.0, "embed": 0.5},
            warnings=("a", "b"),
        ),
    )
    assert (camera.frames, camera.frames_here, camera.tracklets) == (14, 14, 3)
    assert camera.stage_s == {"detect": 3.0, "embed": 0.5}
    assert camera.warnings == ("a", "b")
    assert camera.fps == pytest.approx(14 / 4)


def test_a_restarted_live_camera_adds_up() -> None:
    camera = totals(
        beat(1, live=True, frames=10, frames_here=10, tracklets=2, dropped=1),
        beat(2, live=True, frames=4, frames_here=4, tracklets=1, dropped=2),
    )
    assert (camera.frames, camera.tracklets, camera.dropped) == (14, 3, 3)


def test_the_last_words_of_a_process_are_recognised() -> None:
    tally = Tally(["door"])
    tally.update(beat(7, pending=3))
    assert not tally.is_final(7)
    assert not tally.is_final(None)
    assert tally.pending() == 3
    tally.update(beat(7, final=True))
    assert tally.is_final(7)
    assert tally.pending() == 0


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0, "0:00"), (59.6, "1:00"), (245, "4:05"), (3723, "1:02:03")],
)
def test_durations_are_readable(seconds: float | None, expected: str) -> None:
    assert format_seconds(seconds) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"frames_total": 100, "position": 49, "frames": 50}, 5.0),
        ({"frames_total": 100, "position": 49, "frames": 25}, 2.5),
        ({"frames_total": 100, "position": 120, "frames": 100}, 0.0),
        ({"frames_total": None, "position": 49, "frames": 50}, None),
        ({"frames_total": 100, "live": True}, None),
        ({"frames_total": 100, "state": "finished"}, None),
    ],
)
def test_time_left(fields: dict[str, object], expected: float | None) -> None:
    camera = CameraTotals(**{"camera": "door", "state": "running", **fields})  # type: ignore[arg-type]
    assert time_left_s(camera, 10.0) == expected
    assert time_left_s(camera, 0.0) is None


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter(span_s=10)
    rates = [
        meter.rate(CameraTotals("door", frames_here=10 * second), second) for second in range(60)
    ]
    assert rates[0] == 0
    assert rates[30] == pytest.approx(10)
    assert meter.rate(CameraTotals("door", frames_here=590), 100.0) < 1


def test_the_table_shows_what_the_operator_asks() -> None:
    tally = Tally(["door", "yard"])
    tally.update(
        beat(
            pending=2,
            state="running",
            frames=50,
            position=49,
            frames_total=100,
            people=3,
            tracklets=7,
        )
    )
    console = Console(file=io.StringIO(), width=120)
    console.print(progress_table(tally, {"door": 10.0}))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for expected in ("door", "yard", "50/100", "10.0", "7", "0:05", "2 tracklets on their way"):
        assert expected in text


def test_log_lines_come_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally(["door"])
    tally.update(beat(state="running", frames=50, position=49, frames_total=100))
    with caplog.at_level(logging.INFO):
        patient, eager = LogLines(every_s=100), LogLines(every_s=0)
        patient.update(tally)
        assert caplog.text == ""
        eager.update(tally)
        eager.close()
    assert "frame 50 of 100" in caplog.text


def test_log_lines_do_not_break_the_live_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    handler = logging.StreamHandler(sys.stderr)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        table = LiveTable(Console(file=terminal, force_terminal=True, width=100))
        assert handler not in root.handlers
        tally = Tally(["door"])
        table.update(tally)
        logging.getLogger("test").warning("a line between")
        table.close()
        assert handler in root.handlers
        assert "a line between" in terminal.getvalue()
        assert "door" in terminal.getvalue()
    finally:
        root.removeHandler(handler)


def complaints(reporter: LogLines | LiveTable) -> None:
    """Two cameras, of which one cannot be reached."""
    tally = Tally(["door", "yard"])
    reporter.update(tally)
    for lines in (("camera door: a",), ("camera door: a",), ("camera door: a", "camera door: b")):
        tally.update(beat(live=True, warnings=lines))
        reporter.update(tally)
    assert reporter.warnings.shown() == {"camera door: a", "camera door: b"}


def test_warnings_are_logged_once_as_they_come(caplog: pytest.LogCaptureFixture) -> None:
    complaints(LogLines(every_s=100))
    found = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert found == [("WARNING", "camera door: a"), ("WARNING", "camera door: b")]


def test_warnings_scroll_above_the_live_table() -> None:
    terminal = io.StringIO()
    handler = logging.StreamHandler(sys.stderr)
    root = logging.getLogger()
    root.addHandler(handler)
    table = LiveTable(Console(file=terminal, force_terminal=True, width=100))
    try:
        complaints(table)
    finally:
        table.close()
        root.removeHandler(handler)
    assert terminal.getvalue().count("camera door: a") == 1
    assert terminal.getvalue().count("camera door: b") == 1


def test_warnings_of_a_long_run_are_not_kept_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    lines = WarningLines()
    for number in range(1200):
        lines.update([CameraTotals("door", warnings=("always", f"{number}"))])
    assert len(lines.shown()) == 1000
    assert f"{1199}" in lines.shown()
    assert [r.getMessage() for r in caplog.records].count("always") <= 2


def test_without_a_terminal_there_are_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(make_reporter(), LogLines)
    assert isinstance(make_reporter(quiet=True), LogLines)


def test_stage_time_is_counted_also_when_the_stage_fails() -> None:
    clock = StageClock()
    clock.add("embed", 2.0)
    with pytest.raises(ValueError, match="x"), clock.measure("embed"):
        raise ValueError("x")
    assert 2.0 <= clock.seconds()["embed"] < 2.1


def camera(name: str, state: CameraState = "finished") -> CameraTotals:
    return CameraTotals(
        name,
        state,
        frames=10,
        frames_here=5,
        tracklets=2,
        dropped=1,
        wall_s=2,
        stage_s={"track": 1},
    )


def test_a_summary_adds_up_and_is_json() -> None:
    summary = RunSummary("run", "finished", (camera("a"), camera("b")), wall_s=4.0, restarts=1)
    assert (summary.frames, summary.tracklets, summary.dropped) == (20, 4, 2)
    assert summary.fps == 2.5
    assert summary.stage_s == {"track": 2}
    data = json.loads(json.dumps(summary.to_dict()))
    assert data["cameras"][0]["fps"] == 2.5
    assert data["cameras"][1]["camera"] == "b"
    assert data["state"] == "finished"
