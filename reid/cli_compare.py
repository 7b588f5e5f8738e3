"""The command `reid compare`: systems side by side, and the results file that it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid.cli_options import JsonOption, QuietOption, ThreadsOption, exit_codes
from reid.errors import ReidError

if TYPE_CHECKING:
    from reid.compare import Row
    from reid.config import ReidConfig
    from reid.results import Result

_DATA = "market1501"


def compare_command(
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
        from reid.results import RESULTS

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
        rows = _rows(systems, files, data, path, not no_timing, threads, quiet)
        name = data.partition("=")[0] if data else _DATA
        _print(rows, name, threads, as_json, as_markdown)


def _add(files: list[tuple[ReidConfig, Path]], results: Path, seed: int | None, note: str) -> None:
    """Append what was evaluated to the results file; all of it, or nothing."""
    from reid.results import read_results, with_result, write_results

    known = read_results(results)
    for system, file in files:
        known = with_result(known, _record(system, file, seed, note))
    write_results(results, known)


def _record(system: ReidConfig, file: Path, seed: int | None, note: str) -> Result:
    """The record of an evaluation.

    Raises:
        ReidError: it is not of this system, or its weights are not there any more.
    """
    from reid.machine import commit, machine
    from reid.results import read_evaluation, result_of
    from reid.weights_file import load_weights

    evaluation = read_evaluation(file)
    path = Path(str(evaluation["weights"]))
    _, input_hw, fingerprint = load_weights(path)
    if fingerprint != evaluation["fingerprint"]:
        raise ReidError(f"{file}: fingerprint: {path} has changed since, it is {fingerprint} now")
    _check_fit(path, system)
    return result_of(
        evaluation,
        file,
        system=system.name,
        input_hw=input_hw,
        machine=evaluation.get("machine") or machine(),
        commit=evaluation.get("commit") or commit(),
        seed=system.train.seed if seed is None else seed,
        note=note,
    )


def _check_fit(weights: Path, system: ReidConfig) -> None:
    """Refuse weights of another network than the YAML's."""
    from reid.weights_file import read_model_config

    if read_model_config(weights) != system.model:
        raise ReidError(f"{weights}: of another architecture than {system.name}")


def _rows(
    systems: dict[str, ReidConfig],
    files: dict[str, Path],
    data: str | None,
    results: Path,
    timing: bool,
    threads: int,
    quiet: bool,
) -> list[Row]:
    from reid.compare import Row
    from reid.cost import network_cost, system_cost
    from reid.results import plain_result, read_results
    from reid.weights_file import load_weights

    known = read_results(results)
    loaded = {name: load_weights(path) for name, path in files.items()}
    for name, path in files.items():
        _check_fit(path, systems[name])
    measured = _evaluated(files, data, threads, quiet) if data else {}
    rows = []
    for name, system in systems.items():
        fingerprint = None
        if name in loaded:
            network, input_hw, fingerprint = loaded[name]
            cost = network_cost(network, input_hw, timing=timing, threads=threads)
        else:
            cost = system_cost(system, timing=timing, threads=threads)
        if name in measured:
            rows.append(Row(name, cost, measured[name], fingerprint))
            continue
        wanted = data.partition("=")[0] if data else _DATA
        result = plain_result(known, name, wanted, fingerprint)
        rows.append(Row(name, cost, _scores(result), result.fingerprint if result else fingerprint))
    return rows


def _evaluated(
    files: dict[str, Path], data: str, threads: int, quiet: bool
) -> dict[str, dict[str, float]]:
    """Scores of weight files on a data set, by global distance."""
    from reid.data.source import data_folder, parse_data
    from reid.evaluate import evaluate_folder
    from reid.inference import Embedder
    from reid.progress import image_progress

    source = parse_data(data)
    embedders = {name: Embedder(path, threads=threads) for name, path in files.items()}
    found = {}
    with data_folder(source) as unpacked:
        for name, embedder in embedders.items():
            with image_progress(name, quiet) as on_start:
                found[name] = evaluate_folder(embedder, unpacked, "global", on_start).as_dict()
    return found


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
    for line in cells(rows):
        table.add_row(*line)
    console = Console(highlight=False, markup=False)
    console.print(table)
    for note in said:
        console.print(note, soft_wrap=True)
