"""Progress lines where there is no terminal."""

from __future__ import annotations

import time

import pytest

from reid.progress import ProgressLine, image_progress


def test_plain_lines_say_rate_details_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with ProgressLine("train", 40, per_step=8, every_s=10) as line:
        for step in range(1, 41):
            now[0] += 0.5
            line.update(step, {"loss": 1 / step})
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "train: 20/40, 16 images/s, loss 0.050, 10 s left"
    assert lines[-1] == "train: 40/40, 16 images/s, loss 0.025, 0 s left"
    assert len(lines) == 2


def test_a_resumed_run_counts_its_own_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with ProgressLine("train", 1010, every_s=0) as line:
        line.update(1000)
        now[0] += 5
        line.update(1005)
    assert "1005/1010, 1 images/s, 5 s left" in capsys.readouterr().err


def test_image_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with image_progress("embed", quiet=True) as on_start:
        done = on_start(3)
        done(3)
    assert capsys.readouterr().err.startswith("embed: 3/3")


def test_image_progress_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with image_progress("embed", quiet=True):
        pass
    assert capsys.readouterr().err == ""
