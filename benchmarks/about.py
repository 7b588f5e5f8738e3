"""Where and how a measurement was made."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reid.machine import ROOT, machine

LIBRARIES = ("torch", "openvino", "ultralytics", "numpy", "opencv-python")


@dataclass(frozen=True)
class About:
    """What a reader needs to judge and repeat a measurement.

    Attributes:
        command: as typed from the root of the repository.
        commit: of the code, short.
        changed_files: tracked or new files that differ from the commit; 0 is a clean tree.
        date: UTC, to the minute.
        machine: processor and number of cores.
        load_at_start: processes that wanted a core over the last minute; near 0 is an idle machine.
        libraries: name and version.
        seed: of random numbers.
    """

    command: str
    commit: str
    changed_files: int
    date: str
    machine: str
    load_at_start: float
    libraries: str
    seed: str

    @classmethod
    def now(cls, script: str, arguments: Sequence[str], *, seed: str, page: Path | None) -> About:
        """Look at the machine and the repository; the page to be written does not count."""
        return cls(
            command=shlex.join(["python", script, *arguments]),
            commit=_git("rev-parse", "--short", "HEAD").strip() or "unknown",
            changed_files=changed_files(_git("status", "--porcelain", "-uall"), page),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine(),
            load_at_start=round(os.getloadavg()[0], 2),
            libraries=", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
            seed=seed,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def markdown(self) -> str:
        """One list item per fact."""
        commit = self.commit
        if self.changed_files:
            commit += f", **with uncommitted changes in {self.changed_files} files**"
        return "\n".join(
            [
                f"- command: `{self.command}`",
                f"- commit: {commit}",
                f"- date: {self.date}",
                f"- machine: {self.machine}; load at the start {self.load_at_start}",
                f"- libraries: {self.libraries}",
                f"- seed: {self.seed}",
            ]
        )


def changed_files(porcelain: str, page: Path | None) -> int:
    """How many files `git status --porcelain` names, besides the page itself."""
    own = None if page is None else page.resolve()
    paths = [line[3:].split(" -> ")[-1].strip('"') for line in porcelain.splitlines() if line]
    return sum((ROOT / path).resolve() != own for path in paths)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
