"""Whether a tracker stays bounded: memory and time over 100,000 frames of people coming and going.

    python benchmarks/tracker_bounds.py [--preset crosswalk] [--frames 100000] [--people 30]
        [--speed-only] [--out docs/TRACKERS.md] [--json]

Runs on one core, on synthetic people (`benchmarks/synthetic_people.py`) with cached embeddings of
the shipped embedder's size. Time is processor time inside the tracker, so that other work on the
machine does not count; memory is what the process holds (Linux only).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from benchmarks.page import table, write_section
from benchmarks.synthetic_people import Crowd, Scene
from benchmarks.tracker_ours import Clocked, pin_to_one_core
from benchmarks.tracker_scores import PAGE_TITLE
from pipeline.tracking.replay import replay
from trackers.pieces import Tracker
from trackers.presets import PresetError, build_tracker

TARGET_HZ = {"without appearance": 1000, "with cached embeddings": 500}
SPEED_PEOPLE, SPEED_FRAMES, SPEED_REPEATS = 20, 1500, 3
SECTIONS = 10


@dataclass(frozen=True)
class Section:
    """A tenth of a long run.

    Attributes:
        frames: frames so far, at its end. ms: processor milliseconds per frame, its mean.
        slowest_ms: of its slowest frame. rss_mib: memory that the process holds at its end.
        open_tracks: confirmed tracks at its end. pieces: closed in it.
    """

    frames: int
    ms: float
    slowest_ms: float
    rss_mib: float
    open_tracks: int
    pieces: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 2 after one line on standard error for bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _arguments(words)
    about = About.now("benchmarks/tracker_bounds.py", words, seed=str(given.seed), page=given.out)
    try:
        build_tracker(given.preset)
    except PresetError as error:
        print(error, file=sys.stderr)
        return 2
    pinned = pin_to_one_core()
    sections: list[Section] = []
    if not given.speed_only:
        crowd = Crowd(Scene(people=given.people), given.seed)
        sections = long_run(build_tracker(given.preset), crowd, given.frames)
    hz = measure_speed(given.preset, given.seed)  # second: it frees memory that would hide growth
    body = report(about, pinned, given, hz, sections)
    if given.out is not None:
        write_section(given.out, "tracker bounds", body, PAGE_TITLE)
    found = {"about": about.as_dict(), "hz": hz, "sections": [asdict(s) for s in sections]}
    print(json.dumps(found) if given.json else body)
    return 0


def measure_speed(preset: str, seed: int) -> dict[str, list[float]]:
    """Frames per second at 20 boxes a frame, by wall clock, of each repeat, as in TARGET_HZ."""
    scene = Scene(people=SPEED_PEOPLE, missed=0, faint=0, false_boxes=0)
    frames = list(Crowd(scene, seed).frames(SPEED_FRAMES))
    return {
        name: [
            replay(build_tracker(preset), frames, scene.fps, appearance=appearance).hz
            for _ in range(SPEED_REPEATS)
        ]
        for name, appearance in zip(TARGET_HZ, (False, True), strict=True)
    }


def long_run(tracker: Tracker, crowd: Crowd, frames: int) -> list[Section]:
    """Show many frames to a tracker and look at its cost ten times; its pieces are let go."""
    sections, index, fps = [], 0, crowd.scene.fps
    clocked = Clocked(tracker)
    ends = [round(frames * part / SECTIONS) for part in range(1, SECTIONS + 1)]
    gc.freeze()  # what was there before need not be looked at again
    for start, end in zip([0, *ends], ends, strict=False):
        times_s, pieces = np.zeros(end - start), 0
        for row, frame in enumerate(crowd.frames(end - start)):
            before = clocked.seconds
            features, rows = frame.requested(
                clocked.embedding_requests(index / fps, frame.detections)
            )
            pieces += len(clocked.update(index, index / fps, frame.detections, features, rows))
            times_s[row] = clocked.seconds - before
            index += 1
        ms = 1000 * times_s
        section = Section(
            end, float(ms.mean()), float(ms.max()), rss_mib(), len(tracker.live()), pieces
        )
        sections.append(section)
        print(section, file=sys.stderr)
    gc.unfreeze()
    return sections


def rss_mib() -> float:
    """Memory that this process uses, MiB; what it has freed is given back before."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def ratios(sections: Sequence[Section]) -> tuple[float, float]:
    """Milliseconds and memory of the last tenth by those of the first."""
    first, last = sections[0], sections[-1]
    return last.ms / first.ms, last.rss_mib / first.rss_mib


def speed_table(hz: dict[str, list[float]]) -> str:
    """Median and slowest of the repeats beside the target."""
    lines = []
    for name, runs in hz.items():
        median, target = float(np.median(runs)), TARGET_HZ[name]
        verdict = "yes" if median >= target else "**no**"
        lines.append((name, f"{median:,.0f}", f"{min(runs):,.0f}", f"{target:,}", verdict))
    return table(("20 boxes a frame", ">Hz, median", ">slowest", ">target", "reached"), lines)


def sections_table(sections: Sequence[Section]) -> str:
    """The curves of time and memory as a Markdown table."""
    lines = [
        (
            f"{s.frames:,}",
            f"{s.ms:.2f}",
            f"{s.slowest_ms:.1f}",
            f"{s.rss_mib:.1f}",
            str(s.open_tracks),
            f"{s.pieces:,}",
        )
        for s in sections
    ]
    columns = (">frames", ">ms a frame", ">slowest frame, ms", ">memory, MiB", ">open tracks")
    return table((*columns, ">pieces closed"), lines)


def report(
    about: About,
    pinned: str,
    given: argparse.Namespace,
    hz: dict[str, list[float]],
    sections: Sequence[Section],
) -> str:
    """The Markdown text."""
    parts = [
        f"## Speed and bounds of preset `{given.preset}`",
        f"{about.markdown()}\n- cores: one, {pinned}",
        f"{SPEED_PEOPLE} people in view, every one detected, {SPEED_FRAMES:,} frames, "
        f"{SPEED_REPEATS} runs each, wall clock; boxes and embeddings are given.",
        speed_table(hz),
    ]
    if sections:
        time_ratio, memory_ratio = ratios(sections)
        more_mib = sections[-1].rss_mib - sections[0].rss_mib
        parts += [
            f"{given.frames:,} frames at {Scene.fps:g} a second, {given.people} people in view "
            "who come and go, with cached embeddings; processor time inside the tracker.",
            sections_table(sections),
            f"Last tenth by first: time {time_ratio:.2f}, memory {memory_ratio:.2f} "
            f"({more_mib:+.1f} MiB; the libraries are in both).",
        ]
    return "\n\n".join(parts)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="crosswalk")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed-only", action="store_true", help="leave the long run out")
    parser.add_argument("--out", type=Path, help="page whose section is replaced")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
