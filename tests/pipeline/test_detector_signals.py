"""A process that has used detectors can still receive a signal."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import faulthandler, gc, signal
import numpy as np
from pipeline.detector import Detector
faulthandler.enable()
heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
detector = Detector()
detector.load()
for shape in ((64, 96, 3), (96, 64, 3)):
    detector.detect([np.zeros(shape, np.uint8)])
while detector._networks:
    detector._networks.popitem(last=False)
    gc.collect()
del detector
gc.collect()
signal.raise_signal(signal.SIGINT)
print(*heard)
"""


def test_a_signal_after_the_last_network_is_gone() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
