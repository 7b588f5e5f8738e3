"""The section of the numbers page that benchmarks/pipeline.py writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.about import About
from benchmarks.page import table

OURS = "Crosswalk, as configured"
ALL_FRAMES = "Crosswalk, every frame detected"
THEIRS = "same detector + Ultralytics track (BoT-SORT)"
STAGES = ("decode", "gate", "detect", "embed", "track", "store", "associate")
NOTES = (
    'Frames/s are of the whole command, from starting Python to its end; "flowing" leaves the '
    "start out. Ultralytics detects and tracks inside each camera; Crosswalk also embeds, stores "
    "and joins people across cameras. Ratios above 1 mean that Crosswalk is faster."
)
NOT_MEASURED = (
    "Not measured: live streams; other picture sizes; more than one worker; a GPU; "
    "memory; how well Ultralytics' tracks fit the labels."
)
Run = Mapping[str, Any]


def order_of(names: Sequence[str], repeat: int) -> list[str]:
    """Who runs when: as given in even repeats, backwards in odd ones."""
    return list(names) if repeat % 2 == 0 else list(reversed(names))


def summary(runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Medians of each program and their ratios to Ultralytics.

    Args:
        runs: by program; each has frames, wall_s, cpu_s, flow_frames, flow_s.
    """
    programs = {name: _medians(done) for name, done in runs.items()}
    theirs = programs[THEIRS]
    ratios = {
        name: {
            "fps": one["fps"] / theirs["fps"],
            "flow_fps": one["flow_fps"] / theirs["flow_fps"],
        }
        for name, one in programs.items()
        if name != THEIRS
    }
    typical = _typical(runs[OURS])
    return {
        "programs": programs,
        "ratio_to_ultralytics": ratios,
        "stage_s": typical["stage_s"],
        "stages_of_run": {"frames": typical["frames"], "wall_s": typical["wall_s"]},
    }


def _medians(runs: Sequence[Run]) -> dict[str, Any]:
    speeds = [run["frames"] / run["wall_s"] for run in runs]
    return {
        "runs": len(runs),
        "frames": runs[0]["frames"],
        "fps": median(speeds),
        "slowest_fps": min(speeds),
        "fastest_fps": max(speeds),
        "flow_fps": median(run["flow_frames"] / run["flow_s"] for run in runs),
        "wall_s": median(run["wall_s"] for run in runs),
        "cpu_s": median(run["cpu_s"] for run in runs),
        "detected": runs[0].get("detected", runs[0]["frames"]),
    }


def _typical(runs: Sequence[Run]) -> Run:
    """The run in the middle by time; of an even number the faster of the two."""
    return sorted(runs, key=lambda run: run["wall_s"])[(len(runs) - 1) // 2]


def markdown(about: About, result: Mapping[str, Any], frames: int | None) -> str:
    """The whole section.

    Args:
        about: how it was measured.
        result: as benchmarks/pipeline.py prints it with `--json`.
        frames: set if only so many first frames of each camera were used.
    """
    parts = ["## Speed of the whole path (office3)", about.markdown()]
    if frames is not None:
        parts.append(f"**A trial on the first {frames} frames of each camera; not a result.**")
    parts += [_speed(result), NOTES, "### Where the time goes", _stages(result), NOT_MEASURED]
    return "\n\n".join(parts)


def _speed(result: Mapping[str, Any]) -> str:
    columns = (
        "program",
        ">frames",
        ">detected",
        ">seconds",
        ">frames/s",
        ">slowest–fastest",
        ">flowing",
        ">CPU s",
        ">ratio",
        ">ratio flowing",
    )
    rows = []
    for name, one in result["programs"].items():
        ratio = result["ratio_to_ultralytics"].get(name)
        rows.append(
            (
                name,
                str(one["frames"]),
                str(one["detected"]),
                f"{one['wall_s']:.1f}",
                f"{one['fps']:.1f}",
                f"{one['slowest_fps']:.1f}–{one['fastest_fps']:.1f} ({one['runs']} runs)",
                f"{one['flow_fps']:.1f}",
                f"{one['cpu_s']:.1f}",
                f"{ratio['fps']:.2f}" if ratio else "",
                f"{ratio['flow_fps']:.2f}" if ratio else "",
            )
        )
    return table(columns, rows)


def _stages(result: Mapping[str, Any]) -> str:
    """Seconds of each stage in the typical run; unknown stages come last."""
    seconds: Mapping[str, float] = result["stage_s"]
    run = result["stages_of_run"]
    known = [stage for stage in STAGES if stage in seconds]
    ordered = known + sorted(set(seconds) - set(known))
    total = sum(seconds.values()) or 1.0
    rows = [
        (
            stage,
            f"{seconds[stage]:.1f}",
            f"{100 * seconds[stage] / total:.0f} %",
            f"{1000 * seconds[stage] / run['frames']:.2f}",
        )
        for stage in ordered
    ]
    text = table(("stage", ">seconds", ">share", ">ms/frame"), rows)
    return (
        f"{text}\n\nOf one run of {run['wall_s']:.1f} s. Each camera is decoded in a thread of its "
        "own while the other stages work, so the sum is not the time of the run."
    )
