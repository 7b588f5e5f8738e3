"""The command `reid compare`: systems side by side, and the results file that it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid.cli_options import (
    JointsOption,
    JsonOption,
    QuietOption,
    ThreadsOption,
    exit_codes,
    more_data,
)
from reid.errors import ReidError

if TYPE_CHECKING:
    from reid.compare import Row, System
    from reid.data.layout import MoreData
    from reid.network import ReidNetwork
    from reid.results import Result

_DATA = "market1501"


@dataclass(frozen=True)
class _How:
    """The command's words about measuring; see its help."""

    data: str | None
    more: MoreData | None
    joints: Path | None
    timing: bool
    threads: int
    quiet: bool

    @property
    def data_name(self) -> str:
        return self.data.partition("=")[0] if self.data else _DATA


def compare_command(
    context: typer.Context,
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="Systems: configs/reid/NAME.yaml.")
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Weight file of a system; repeatable."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="NAME=FOLDER_OR_ZIP: evaluate the given weights on it now."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="File of scores measured before; default docs/model_zoo.json."),
    ] = None,
    add_result: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="What `reid evaluate --json` printed for a system: add it to --results. Do this "
            "on the machine and the commit that measured it.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="With --add-result: training seed, if not the YAML's.")
    ] = None,
    note: Annotated[
        str, typer.Option(help="With --add-result: how the training differed from the YAML.")
    ] = "",
    joints: JointsOption = None,
    no_timing: Annotated[bool, typer.Option("--no-timing", help="Do not measure ms/crop.")] = False,
    threads: ThreadsOption = 0,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A Markdown table.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare systems: rank-1/5/10, mAP, mINP, parameters, GFLOPs, milliseconds per crop.

    Scores come from the results file, or from evaluating --weights on --data; a dash stands where
    a system is not yet trained. GFLOPs are multiply-adds, as papers count.
    """
    with exit_codes():
        from reid.compare import named_files, read_systems
        from reid.results import RESULTS, read_results

        path = results or RESULTS
        systems = read_systems(configs)
        files = named_files(weights or [], "--weights", systems)
        added = named_files(add_result or [], "--add-result", systems)
        if data is not None and not files:
            raise ReidError(f"--data {data}: needs --weights NAME=FILE, which are evaluated on it")
        if not added and (seed is not None or note):
            raise ReidError("--seed and --note say something of --add-result, which is not given")
        if added:
            _add([(systems[name], file) for name, file in added.items()], path, seed, note)
        how = _How(data, more_data(context), joints, not no_timing, threads, quiet)
        rows = _rows(systems, files, read_results(path), how)
        _print(rows, how.data_name, threads, as_json, as_markdown)


def _add(files: list[tuple[System, Path]], results: Path, seed: int | None, note: str) -> None:
    """Append what was evaluated to the results file; all of it, or nothing."""
    from reid.results import read_results, with_result, write_results

    known = read_results(results)
    for system, file in files:
        known = with_result(known, _record(system, file, seed, note))
    write_results(results, known)


def _record(system: System, file: Path, seed: int | None, note: str) -> Result:
    """The record of an evaluation.

    Raises:
        ReidError: it is not of this system, or its weights are not there any more.
    """
    from reid.machine import commit, machine
    from reid.results import read_evaluation, result_of

    evaluation = read_evaluation(file)
    path = Path(str(evaluation["weights"]))
    network, fingerprint = _opened(path, system)
    if fingerprint != evaluation["fingerprint"]:
        raise ReidError(f"{file}: fingerprint: {path} has changed since, it is {fingerprint} now")
    trained = system.train.seed if hasattr(system, "train") else system.classical.seed
    return result_of(
        evaluation,
        file,
        system=system.name,
        input_hw=network[1] if network else None,
        machine=evaluation.get("machine") or machine(),
        commit=evaluation.get("commit") or commit(),
        seed=trained if seed is None else seed,
        note=note,
    )


def _opened(path: Path, system: System) -> tuple[tuple[ReidNetwork, tuple[int, int]] | None, str]:
    """Network and its input's (height, width), None for a classical system; the fingerprint.

    Raises:
        ReidError: no weight file, or one of another system.
    """
    from reid.classical.config import ClassicalSystem
    from reid.classical.system import LomoXqda
    from reid.opened_weights import is_lomo
    from reid.weights_file import load_weights, read_model_config

    other = ReidError(f"{path}: of another architecture than {system.name}")
    if path.is_file() and is_lomo(path) != isinstance(system, ClassicalSystem):
        raise other
    if isinstance(system, ClassicalSystem):
        return None, LomoXqda.load(path).fingerprint
    network, input_hw, fingerprint = load_weights(path)
    if read_model_config(path) != system.model:
        raise other
    return (network, input_hw), fingerprint


def _rows(
    systems: dict[str, System], files: dict[str, Path], known: tuple[Result, ...], how: _How
) -> list[Row]:
    from reid.classical.config import ClassicalSystem
    from reid.compare import Row
    from reid.cost import network_cost, system_cost
    from reid.results import plain_result

    opened = {name: _opened(path, systems[name]) for name, path in files.items()}
    measured = {name: _evaluated(path, opened[name][0], how) for name, path in files.items()}
    rows = []
    for name, system in systems.items():
        network, fingerprint = opened.get(name, (None, None))
        if isinstance(system, ClassicalSystem):
            cost = None
        elif network is not None:
            cost = network_cost(*network, timing=how.timing, threads=how.threads)
        else:
            cost = system_cost(system, timing=how.timing, threads=how.threads)
        scores = measured.get(name)
        if scores is None:
            result = plain_result(known, name, how.data_name, fingerprint)
            scores = _scores(result)
            fingerprint = result.fingerprint if result else fingerprint
        rows.append(Row(name, cost, scores, fingerprint))
    return rows


def _evaluated(
    path: Path, network: tuple[ReidNetwork, tuple[int, int]] | None, how: _How
) -> dict[str, float] | None:
    """Scores of a weight file by global distance, None where there is no data to score it on."""
    from reid.data.source import data_folder, parse_data
    from reid.evaluate import Ranking, evaluate_source
    from reid.opened_weights import HowToRun, WeightsChoice, open_weights
    from reid.progress import image_progress

    if how.data is None:
        return None
    needs_joints = network is not None and network[0].head.needs_joints
    run = HowToRun(joints=how.joints if needs_joints else None, threads=how.threads)
    with (
        data_folder(parse_data(how.data, how.more)) as source,
        open_weights(WeightsChoice(path), run) as ready,
        image_progress(path.name, how.quiet) as on_start,
    ):
        scores = evaluate_source(ready.describer, source, Ranking(), on_start=on_start)
    return scores.as_dict()


def _scores(result: Result | None) -> dict[str, float] | None:
    from reid.compare import SCORES

    if result is None:
        return None
    values = {name: getattr(result, name) for name in SCORES}
    return {name: value for name, value in values.items() if value is not None}


def _print(rows: list[Row], data: str, threads: int, as_json: bool, as_markdown: bool) -> None:
    from reid.compare import COLUMNS, cells, markdown, notes

    if as_json:
        systems: list[dict[str, Any]] = [row.as_dict() for row in rows]
        typer.echo(json.dumps({"data": data, "threads": threads, "systems": systems}))
        return
    said = notes(rows, data, threads)
    if as_markdown:
        typer.echo("\n".join([markdown(rows), "", *(f"- {note}" for note in said)]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*COLUMNS[:1])
    for column in COLUMNS[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    lines = cells(rows)
    for line in lines:
        table.add_row(*line)
    console = Console(highlight=False, markup=False)
    widths = (max(map(len, column)) for column in zip(COLUMNS, *lines, strict=True))
    console.width = max(console.width, sum(width + 3 for width in widths) + 1)  # nothing is cut
    console.print(table)
    for note in said:
        console.print(note, soft_wrap=True)
