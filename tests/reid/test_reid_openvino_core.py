"""Networks that come and go leave the process able to receive a signal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import openvino
from reid_builders import tiny_weights

from reid.openvino_core import openvino_core, shared_core

PROGRAM = """
import faulthandler, gc, pathlib, signal, sys
from reid.inference import Embedder
faulthandler.enable()
heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
weights = pathlib.Path(sys.argv[1])
first, second = (Embedder(weights, runtime="openvino", threads=1) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.raise_signal(signal.SIGINT)
print(*heard)
"""


def test_others_get_the_shared_core_only_inside() -> None:
    with shared_core():
        assert openvino.Core() is openvino_core()
    core = openvino_core()
    with patch.object(openvino, "Core", object):
        with shared_core():
            assert openvino.Core() is core
        assert openvino.Core is object


def test_a_signal_after_the_last_network_is_gone(tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path / "a.safetensors")
    command = [sys.executable, "-c", PROGRAM, str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
