"""The section of the numbers page that benchmarks/office3.py writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.about import About
from benchmarks.page import percent, table
from benchmarks.search_check import FIRST

NOT_MEASURED = (
    "Not measured: detection quality (the labels come from a detector, so they only tell people "
    "apart); frames after the last labelled one; live streams; more than one worker; a GPU; "
    "transit windows (the configuration names no neighbours); the spread over repeated runs."
)
Run = Mapping[str, Any]


def markdown(about: About, result: Mapping[str, Any], frames: int | None) -> str:
    """The whole section.

    Args:
        about: how it was measured.
        result: as benchmarks/office3.py prints it with `--json`.
        frames: set if only so many first frames of each camera were used.
    """
    runs: dict[str, Run] = result["runs"]
    shipped = runs["shipped"]
    parts = ["## Three real cameras (office3)", about.markdown(), _partial(frames)]
    parts += ["### Identities", _scores(shipped)]
    parts += [f"Scored: frames 1 to {shipped['max_frame']} of each camera, ratios in percent."]
    parts += ["### Search", _search(shipped["search"])]
    parts += [
        "### What each saving brings and costs",
        _savings(runs),
        _savings_notes(),
        NOT_MEASURED,
    ]
    return "\n\n".join(part for part in parts if part)


def _partial(frames: int | None) -> str:
    if frames is None:
        return ""
    return f"**A trial on the first {frames} frames of each camera; not a result.**"


def _scores(run: Run) -> str:
    """One row per camera and one across them."""
    columns = ("camera", ">IDF1", ">IDP", ">IDR", ">IDSW", ">people", ">identities")
    rows = [
        (name, *_ratios(one), str(one["idsw"]), *_ids(one)) for name, one in run["cameras"].items()
    ]
    cross = run["cross_camera"]
    rows.append(("**across cameras**", *_ratios(cross), "", *_ids(cross)))
    return table(columns, rows)


def _ratios(scores: Mapping[str, Any]) -> tuple[str, str, str]:
    return percent(scores["idf1"]), percent(scores["idp"]), percent(scores["idr"])


def _ids(scores: Mapping[str, Any]) -> tuple[str, str]:
    return str(scores["gt_ids"]), str(scores["hyp_ids"])


def _search(search: Mapping[str, Any]) -> str:
    """Shares, and the queries whose person did not come first."""
    lines = [
        "Each labelled person of two or more cameras is searched for with one crop of one camera "
        "(the largest fully visible labelled box) among all other cameras. "
        "A result shows the person on whom most labelled boxes of its identity lie; somebody seen "
        "only after the labels end counts as wrong.",
        table(
            ("searches", f">right person in the first {FIRST}", ">right person first"),
            [
                (
                    str(search["queries"]),
                    percent(search[f"share_in_first_{FIRST}"]),
                    percent(search["rank_1"]),
                )
            ],
        ),
    ]
    missed = [one for one in search["each"] if one["rank"] != 1]
    if missed:
        words = [
            f"person {one['person']} from {one['camera']}: "
            + ("not found" if one["rank"] is None else f"place {one['rank']}")
            for one in missed
        ]
        lines.append(f"Not first: {'; '.join(words)}.")
    if search["not_searched"]:
        names = [f"{one['person']} in {one['camera']}" for one in search["not_searched"]]
        lines.append(f"Without a fully visible box, so not searched for: {', '.join(names)}.")
    return "\n\n".join(lines)


def _savings(runs: Mapping[str, Run]) -> str:
    """One row per variant."""
    columns = (
        "run",
        "detector sees",
        "empty scenes",
        "embedded boxes",
        ">frames/s",
        ">seconds",
        ">CPU s",
        ">detector calls",
        ">embeddings",
        ">IDF1 across cameras",
    )
    return table(columns, [_savings_row(name, run) for name, run in runs.items()])


def _savings_row(name: str, run: Run) -> tuple[str, ...]:
    rate = run["detect_fps"]
    return (
        name,
        "every frame" if rate is None else f"{rate:g} frames/s",
        "skipped" if run["skip_empty"] else "detected",
        run["embed"],
        f"{run['fps']:.1f}",
        f"{run['wall_s']:.1f}",
        f"{run['cpu_s']:.1f}",
        str(run["detected"]),
        str(run["embedded"]),
        percent(run["cross_camera"]["idf1"]),
    )


def _savings_notes() -> str:
    return (
        "Frames/s and seconds are of the whole command, from starting Python to the last identity; "
        "a detector call is one frame; all frames of the recordings are read in every run."
    )
