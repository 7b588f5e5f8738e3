"""The one OpenVINO Core of this process.

On processors with AMX each Core moves the signal stack of its thread and puts the former one back
at its end (OpenVINO pull request 11894). Of two Cores of which the first ends first, the second
puts back a stack that is gone, and the next signal, such as Ctrl-C, ends the process with a
segmentation fault. One Core that lives as long as the process cannot do that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    import openvino


@cache
def openvino_core() -> openvino.Core:
    """The Core that all networks share."""
    import openvino

    return openvino.Core()


@contextmanager
def shared_core() -> Iterator[None]:
    """Inside, other packages that make a Core, such as Ultralytics, get the shared one, too."""
    import openvino

    core = openvino_core()
    with patch.object(openvino, "Core", lambda: core):
        yield
