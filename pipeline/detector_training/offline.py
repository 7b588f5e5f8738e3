"""Ultralytics without the network: no downloads, no update checks; its log on standard error."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any


def load_yolo(path: Path) -> Any:
    """Load an Ultralytics detector (`.pt` file or exported folder) without touching the network.

    Raises:
        FileNotFoundError: there is nothing at `path` (Ultralytics would try to download it).
    """
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    if not path.exists():
        raise FileNotFoundError(f"no detector at {path}")
    from ultralytics import YOLO

    for handler in logging.getLogger("ultralytics").handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    return YOLO(str(path), task="detect")
