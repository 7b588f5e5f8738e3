"""Write docs/MODEL_ZOO.md: every system's paper, figures and cost, and where every part is from.

    python benchmarks/model_zoo.py [--no-timing] [--threads 0] [--json]

Scores are those of docs/model_zoo.json, which `python main.py reid compare --add-result` fills;
parameters, multiply-adds and times are measured here, with random weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import ROOT, About
from benchmarks.page import table
from benchmarks.source_table import sources_markdown
from reid.build import build_model
from reid.classical.config import ClassicalSystem
from reid.compare import DASH, NOT_TRAINED, System, cost_texts, read_systems
from reid.cost import CONVENTION, Cost, network_cost
from reid.progress import ProgressLine
from reid.results import RESULTS, Result, plain_result, read_results

CONFIGS = ROOT / "configs" / "reid"
PAGE = ROOT / "docs" / "MODEL_ZOO.md"
DATA = "market1501"
OTHERS = "Other systems"
GROUPS = {
    "Baselines": ("bnneck",),
    "Losses, mining and teaching": (),
    "Alignment": ("aligned", "pl_net", "lstm_fusion", "can"),
    "Pose": ("glad", "spindle"),
    "Attributes": ("acrn",),
    "The papers' networks and their ablations": ("mgre", "msfl", "pgr", "pmm", "bdb"),
    "Classical": (),
    OTHERS: (),
}
"""Titles, and the heads of the systems below them."""
_LOSSES = ("loss_", "mutual_", "darkrank_", "distilled_")
COLUMNS = (
    *("system", "paper", ">its rank-1 / mAP", ">ours, rank-1 / mAP", ">input"),
    *(">M parameters", ">GFLOPs", ">ms/crop"),
)


@dataclass(frozen=True)
class ZooRow:
    """A system, its plain result where there is one, and its cost where it has a network."""

    system: System
    result: Result | None
    cost: Cost | None


def main() -> None:
    """Measure all systems and write the page, or print one JSON object."""
    given = _arguments()
    about = About.now("benchmarks/model_zoo.py", sys.argv[1:], seed="0 for the weights", page=PAGE)
    results = read_results(RESULTS)
    rows = measure(results, timing=not given.no_timing, threads=given.threads, quiet=given.quiet)
    if given.json:
        print(json.dumps({"about": about.as_dict(), "systems": [as_dict(row) for row in rows]}))
        return
    PAGE.write_text(page(about, rows, results, given.threads), encoding="utf-8")


def system_files() -> list[Path]:
    """The YAML of every system; files that only others extend begin with an underscore."""
    return sorted(CONFIGS.glob("[!_]*.yaml"))


def group_of(system: System) -> str:
    """The title below which a system stands."""
    if system.name.startswith(_LOSSES):
        return "Losses, mining and teaching"
    if isinstance(system, ClassicalSystem):
        return "Classical"
    head = system.model.head.name
    return next((title for title, heads in GROUPS.items() if head in heads), OTHERS)


def measure(results: Iterable[Result], *, timing: bool, threads: int, quiet: bool) -> list[ZooRow]:
    """One row per YAML; at the size that the weights of its result have, if there is one."""
    known = tuple(results)
    rows: list[ZooRow] = []
    systems = read_systems(system_files())
    with ProgressLine("measure", len(systems), unit="systems", quiet=quiet) as line:
        for system in systems.values():
            result = plain_result(known, system.name, DATA)
            cost = None
            if not isinstance(system, ClassicalSystem):
                size = (result and result.input_hw) or system.input_hw
                model = build_model(system.model).eval()
                cost = network_cost(model, size, timing=timing, threads=threads)
            rows.append(ZooRow(system, result, cost))
            line.update(len(rows))
    return rows


def zoo_tables(rows: Sequence[ZooRow]) -> str:
    """One table per group that has systems."""
    sections = []
    for title in GROUPS:
        members = [row for row in rows if group_of(row.system) == title]
        if members:
            sections.append(f"### {title}\n\n{table(COLUMNS, [_cells(row) for row in members])}")
    return "\n\n".join(sections)


def results_table(results: Iterable[Result]) -> str:
    """Every record of the results file with its conditions."""
    columns = (
        *("system", "data", "distance", "re-ranking", ">occluded", ">rank-1", ">rank-5"),
        *(">rank-10", ">mAP", ">mINP", "weights", "seed", "commit", "machine", "command", "note"),
    )
    rows = [
        (
            *(r.system, r.data, r.distance, r.rerank or DASH),
            *(_number(value) for value in (r.occlude, r.rank1, r.rank5, r.rank10, r.mAP, r.mINP)),
            *(f"`{r.weights}` ({r.fingerprint})", str(r.seed), r.commit, r.machine),
            *(f"`{r.command}`", r.note),
        )
        for r in results
    ]
    return table(columns, rows) if rows else "None yet."


def page(about: About, rows: Sequence[ZooRow], results: Sequence[Result], threads: int) -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Model zoo",
            "",
            "Written by a program; do not edit by hand. One row per YAML in `configs/reid`: what",
            "its paper reports on Market-1501 (most start from ImageNet, ours from scratch), what",
            "ours reaches, and what the network costs. A system is trained by",
            "`python main.py reid train --config configs/reid/NAME.yaml --data market1501=DIR`.",
            "",
            about.markdown(),
            "",
            "## Systems",
            "",
            zoo_tables(rows),
            "",
            *(f"- {line}" for line in remarks(rows, threads)),
            "",
            "## All results",
            "",
            results_table(results),
            "",
            "## Sources",
            "",
            "Read from the docstrings of the modules, which also say what a paper leaves open.",
            "",
            sources_markdown(),
            "",
        ]
    )


def remarks(rows: Sequence[ZooRow], threads: int) -> list[str]:
    """What the tables mean, and what was not measured."""
    count = f"{threads} threads" if threads else "threads as OpenVINO chooses"
    said = [
        "Rank-1 and mAP in percent on Market-1501, single query, global distance, no re-ranking.",
        f"{CONVENTION}, without the mirror image that search adds.",
        "ms/crop: median of batches of 8 through OpenVINO on the CPU (latency hint), "
        f"{count}, without the mirror image; * in torch, because the head needs body joints.",
    ]
    waiting = sum(row.result is None for row in rows)
    if waiting:
        said.append(f"Not measured: scores of {waiting} of {len(rows)} systems, {NOT_TRAINED}.")
    networks = [row.cost for row in rows if row.cost is not None]
    if any(cost.ms_per_crop is None for cost in networks):
        said.append("Not measured: ms/crop, which needs a machine at rest.")
    said.append("Not measured: the cost of systems without a network; GPU times; memory.")
    return said


def as_dict(row: ZooRow) -> dict[str, Any]:
    """Plain values for JSON."""
    paper = row.system.paper
    return {
        "system": row.system.name,
        "group": group_of(row.system),
        "paper": paper.model_dump() if paper else None,
        "result": row.result.model_dump(mode="json") if row.result else None,
        "cost": asdict(row.cost) if row.cost else None,
    }


def _cells(row: ZooRow) -> tuple[str, ...]:
    paper, result = row.system.paper, row.result
    title = DASH if paper is None else f"{paper.title}{f' ({paper.note})' if paper.note else ''}"
    theirs = DASH
    if paper and (paper.rank1 is not None or paper.mean_ap is not None):
        theirs = f"{_number(paper.rank1, 1)} / {_number(paper.mean_ap, 1)}"
    ours = f"**{result.rank1:.2f} / {result.mAP:.2f}**" if result else NOT_TRAINED
    parameters, gflops, ms = cost_texts(row.cost)
    size = f"{row.cost.input_hw[0]}x{row.cost.input_hw[1]}" if row.cost else DASH
    mark = "*" if row.cost and row.cost.runtime == "torch" else ""
    return (row.system.name, title, theirs, ours, size, parameters, gflops, f"{ms}{mark}")


def _number(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-timing", action="store_true", help="leave ms/crop out")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes what is there")
    parser.add_argument("--quiet", action="store_true", help="plain progress lines, no bar")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
