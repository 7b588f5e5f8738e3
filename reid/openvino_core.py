"""The one OpenVINO Core of this process.

On processors with AMX each Core moves the signal stack of its thread and puts the former one back
at its end (OpenVINO pull request 11894). Of two Cores of which the first ends first, the second
puts back a stack that is gone, and the next signal, such as Ctrl-C, ends the process with a
segmentation fault. One Core that lives as long as the process cannot do that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino

_LOCK = threading.RLock()
_CORES: list[openvino.Core] = []


def openvino_core() -> openvino.Core:
    """The Core that all networks share; threads may ask for it at once."""
    import openvino

    with _LOCK:
        if not _CORES:
            _CORES.append(openvino.Core())
        return _CORES[0]


@contextmanager
def shared_core() -> Iterator[None]:
    """Inside, other packages that make a Core, such as Ultralytics, get the shared one, too.

    One thread at a time is inside.
    """
    import openvino

    def shared(*arguments: Any) -> openvino.Core:
        return core

    with _LOCK:
        core, original = openvino_core(), openvino.Core
        module: Any = openvino
        module.Core = shared
        try:
            yield
        finally:
            module.Core = original
