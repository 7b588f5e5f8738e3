"""The machine and the code that a measurement was made with."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def processor() -> str:
    """The processor's name as Linux gives it, or else the architecture."""
    about = Path("/proc/cpuinfo")
    for line in about.read_text().splitlines() if about.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine() -> str:
    """Processor and number of cores."""
    return f"{processor()}, {os.cpu_count()} cores"


def commit() -> str:
    """Short name of the code's commit, with "+" where files differ from it; else "unknown"."""
    name = _git("rev-parse", "--short", "HEAD").strip()
    if not name:
        return "unknown"
    return name + ("+" if _git("status", "--porcelain").strip() else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
