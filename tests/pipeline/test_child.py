from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.child import EXIT_CONFIG, StopWatch, error_file, leave_error, ready_file
from pipeline.stop_signals import stop_signals


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signal handlers as they were before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_sigterm_asks_and_sigint_is_left_to_the_supervisor() -> None:
    watch = StopWatch(os.getppid(), poll_s=0.01)
    watch.start()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    assert not watch
    os.kill(os.getpid(), signal.SIGTERM)
    assert watch.event.wait(1)
    assert watch.reason == "asked"


@pytest.mark.usefixtures("handlers")
def test_a_process_whose_parent_is_gone_ends() -> None:
    watch = StopWatch(parent_pid=1 if os.getppid() != 1 else 2, poll_s=0.01)
    watch.start()
    assert watch.event.wait(2)
    assert watch.reason == "orphaned"


def test_the_first_reason_counts() -> None:
    watch = StopWatch(os.getppid())
    watch.stop("asked")
    watch.stop("orphaned")
    assert watch.reason == "asked"


def test_an_error_is_left_for_the_supervisor(tmp_path: Path) -> None:
    orders = tmp_path / "worker-0.json"
    assert leave_error(orders, ValueError("two\nlines")) == EXIT_CONFIG
    assert error_file(orders).read_text() == "two\nlines"
    assert ready_file(orders).parent == tmp_path


def test_the_first_signal_stops_and_the_second_is_in_a_hurry() -> None:
    stop, hurry = threading.Event(), threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with stop_signals(stop, hurry) as event:
        assert event is stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(1)
        assert not hurry.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert hurry.wait(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_signals_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with stop_signals(threading.Event(), threading.Event()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("module", ["pipeline.worker", "pipeline.hub"])
def test_children_are_modules_that_can_be_run(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", module, str(tmp_path / "missing.json")]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert result.returncode == 1
    assert "missing.json" in result.stderr
