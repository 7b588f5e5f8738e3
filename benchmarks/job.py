"""Run a program of ours as a process of its own, and the main job with what it cost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.about import ROOT
from pipeline.journal import Journal
from pipeline.journal_records import JournalFrame

_TAIL_LINES = 15


@dataclass(frozen=True)
class Done:
    """A process that ended well.

    Attributes:
        data: the JSON object that it printed.
        wall_s: seconds from its start to its end, imports and loading of models included.
        cpu_s: processor seconds of it and its children.
    """

    data: dict[str, Any]
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class JobCost:
    """The main job and what it did.

    Attributes:
        frames: frames of all cameras.
        wall_s: as in `Done`.
        cpu_s: as in `Done`.
        flow_s: seconds in which frames flowed: that of the camera that took longest.
        detected: frames that the detector saw.
        embedded: boxes that the embedder saw.
        tracklets: closed and stored.
        identities: people found.
        stage_s: seconds per stage; stages overlap, so their sum may exceed `wall_s`.
    """

    frames: int
    wall_s: float
    cpu_s: float
    flow_s: float
    detected: int
    embedded: int
    tracklets: int
    identities: int
    stage_s: dict[str, float]

    @property
    def fps(self) -> float:
        """Frames per second of the whole command."""
        return self.frames / self.wall_s


def call(arguments: Iterable[str | Path]) -> Done:
    """Run `python ARGUMENTS` in the repository's root; ends this program if it fails."""
    words = [str(word) for word in arguments]
    began, cpu = time.perf_counter(), _children_cpu_s()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    wall_s = time.perf_counter() - began
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-_TAIL_LINES:])
        raise SystemExit(f"python {words[0]} ended with {done.returncode}:\n{tail}")
    return Done(json.loads(done.stdout), wall_s, _children_cpu_s() - cpu)


def run_main_job(sources: Path, store: Path) -> JobCost:
    """Detect, embed, track, associate and store; `store` must not exist yet."""
    done = call(["benchmarks/keep_journals.py", "--sources", sources, "--store", store])
    run = done.data["run"]
    detected, embedded = count_work(
        record
        for journal in sorted(store.glob("runs/*/journal/*.xwj"))
        for record in Journal.read(journal)
    )
    return JobCost(
        frames=run["frames"],
        wall_s=done.wall_s,
        cpu_s=done.cpu_s,
        flow_s=max(camera["wall_s"] for camera in run["cameras"]),
        detected=detected,
        embedded=embedded,
        tracklets=run["tracklets"],
        identities=done.data["identities"],
        stage_s=run["stage_s"],
    )


def count_work(records: Iterable[JournalFrame]) -> tuple[int, int]:
    """Frames that were detected and boxes that were embedded."""
    detected = embedded = 0
    for record in records:
        detected += 1
        embedded += len(record.embedded_rows)
    return detected, embedded


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
