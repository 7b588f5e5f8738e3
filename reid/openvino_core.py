"""The one OpenVINO Core of this process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino


@cache
def openvino_core() -> openvino.Core:
    """The Core that all networks of ours share; it lives as long as the process.

    On processors with AMX each Core moves the thread's signal stack and puts the former one back
    at its end (OpenVINO pull request 11894). Of two Cores of which the first ends first, the
    second puts back a stack that is gone, and the next signal, such as Ctrl-C, ends the process
    with a segmentation fault.
    """
    import openvino

    return openvino.Core()
