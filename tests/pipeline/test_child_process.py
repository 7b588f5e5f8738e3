from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.child_process import ChildProcess, RestartPolicy
from pipeline.process_files import write_private
from pipeline.run_folder import RunFolder

QUICK = RestartPolicy(most=2, first_wait_s=0.02, longest_wait_s=0.05)
PROGRAM = """
import sys, time, signal, os
from pathlib import Path
from pipeline.child import StopWatch, leave_error
orders = Path(sys.argv[1])
what = orders.read_text()
runs = orders.with_suffix(".runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
if what == "crash": sys.exit(9)
if what == "crash once" and runs.read_text() == "x": os.kill(os.getpid(), signal.SIGKILL)
if what == "config": sys.exit(leave_error(orders, ValueError("wrong weights")))
if what == "listener": sys.exit(3)
if what == "stubborn": signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)
if what == "early":
    time.sleep(0.3)
if what in ("early", "obedient"):
    stop = StopWatch(os.getppid()); stop.start(); orders.with_suffix(".up").touch()
    stop.event.wait(30); sys.exit(0 if stop.reason == "asked" else 4)
"""

Make = Callable[[str], ChildProcess]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    (tmp_path / "made_up_child.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = RunFolder(tmp_path / "run")
    for part in ("logs", "orders"):
        (folder.path / part).mkdir(parents=True)

    def build(what: str) -> ChildProcess:
        write_private(folder.orders("child"), what)
        lock = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT)
        child = ChildProcess("child", "made_up_child", folder, lock, QUICK)
        child.start()
        return child

    return build


def settle(child: ChildProcess, timeout_s: float = 20.0) -> str:
    deadline = time.monotonic() + timeout_s
    while (state := child.check()) in ("running", "waiting"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return state


def test_a_regular_end_is_done(make: Make) -> None:
    child = make("nothing")
    assert settle(child) == "done"
    assert (child.restarts, child.warnings) == (0, [])


def test_a_crash_is_followed_by_a_restart(make: Make) -> None:
    child = make("crash once")
    assert settle(child) == "done"
    assert child.restarts == 1
    assert "SIGKILL" in child.warnings[0]
    assert "child.log" in child.warnings[0]


def test_endless_crashes_are_given_up(make: Make) -> None:
    child = make("crash")
    assert settle(child) == "failed"
    assert child.restarts == 2
    assert "crashed 3 times in a row and is given up (exit code 9)" in child.warnings[-1]


def test_a_configuration_error_is_not_tried_again(make: Make) -> None:
    child = make("config")
    assert settle(child) == "failed"
    assert child.config_error == "wrong weights"
    assert child.restarts == 0


def test_a_failed_listener_is_a_warning(make: Make) -> None:
    child = make("listener")
    assert settle(child) == "done"
    assert "association" in child.warnings[0]


@pytest.mark.parametrize("what", ["early", "obedient"])
def test_a_stop_is_heard_even_if_it_comes_before_the_handler(
    make: Make, tmp_path: Path, what: str
) -> None:
    child = make(what)
    while what == "obedient" and not (tmp_path / "run" / "orders" / "child.up").exists():
        time.sleep(0.01)
    child.ask_to_stop()
    assert child.wait(20) == "done"
    assert child.warnings == []


def test_a_process_that_does_not_stop_is_killed(make: Make) -> None:
    child = make("stubborn")
    child.ask_to_stop()
    assert child.wait(0.2) == "failed"
    assert "killed" in child.warnings[0]


def test_stopping_between_restarts_starts_nothing(make: Make, tmp_path: Path) -> None:
    child = make("crash")
    while child.check() != "waiting":
        time.sleep(0.01)
    child.ask_to_stop()
    assert child.check() == "done"
    assert (tmp_path / "run" / "orders" / "child.runs").read_text() == "x"
