"""All networks share one OpenVINO Core, and a process that has used some can receive a signal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from reid_builders import tiny_weights

PROGRAM = """
import faulthandler, gc, pathlib, signal, sys
import openvino
import numpy as np

made = []

class Counted(openvino.Core):
    def __init__(self):
        made.append(self)
        super().__init__()

openvino.Core = Counted
from pipeline.detector import Detector
from reid.inference import Embedder
from reid.openvino_core import openvino_core, shared_core

faulthandler.enable()
heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
weights = pathlib.Path(sys.argv[1])
first, second = (Embedder(weights, runtime="openvino", threads=1) for _ in range(2))
del first
gc.collect()
del second
detector = Detector()
for shape in ((64, 96, 3), (96, 64, 3)):
    detector.detect([np.zeros(shape, np.uint8)])
while detector._networks:
    detector._networks.popitem(last=False)
    gc.collect()
del detector
gc.collect()
with shared_core():
    inside = openvino.Core() is openvino_core()
signal.raise_signal(signal.SIGINT)
print(len(made), inside, openvino.Core is Counted, *heard)
"""


@pytest.mark.slow
def test_there_is_one_core_and_a_signal_is_heard_after_the_last_network_is_gone(
    tmp_path: Path,
) -> None:
    weights = tiny_weights(tmp_path / "a.safetensors")
    command = [sys.executable, "-c", PROGRAM, str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "1 True True 2\n"), done.stderr
