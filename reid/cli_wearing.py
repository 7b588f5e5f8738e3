"""The commands `reid fit-attributes` and `reid attributes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid.cli_options import (
    DataOption,
    JsonOption,
    QuietOption,
    ThreadsOption,
    exit_codes,
    more_data,
    print_result,
)
from reid.errors import ReidError

if TYPE_CHECKING:
    from reid.wearing.measure import WearingScores

_NOTE = (
    "Accuracy alone flatters rare attributes: always giving the most frequent answer reaches the "
    "column `majority`. Balanced accuracy is the mean of the answers' recalls; a guess has 100 / "
    "options."
)
AnnotationOption = Annotated[
    Path,
    typer.Option(
        "--attributes",
        help=".csv of clothing and belongings of the pictures' people, or the folder with "
        "NAME_attributes_train.csv and NAME_attributes_test.csv, NAME of --data.",
    ),
]
WeightsFile = Annotated[
    Path | None, typer.Option("--weights", help=".safetensors; default: the shipped model.")
]


def fit_attributes_command(
    context: typer.Context,
    data: DataOption,
    attributes: AnnotationOption,
    out: Annotated[Path, typer.Option(help="Weight file to write, .safetensors.")],
    weights: WeightsFile = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the cut of the training people into parts.")
    ] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a weight file to name clothing and belongings; its vectors stay as they are.

    A linear read-out of the global vector is fitted to the training split and written beside the
    copied network. The fingerprint does not change, so that archives stay valid, and vectors that
    are stored already can be read, too. The scores are of people that the fit has not seen.
    """
    with exit_codes():
        from reid.data.source import data_folder, parse_data
        from reid.inference import Embedder
        from reid.progress import ProgressLine, image_progress
        from reid.wearing.file import write_readout
        from reid.wearing.fit import FitSettings, fit_readout
        from reid.wearing.measure import held_out_scores, read_examples
        from reid.weights_file import DEFAULT_WEIGHTS

        if out.suffix != ".safetensors":
            raise ReidError(f"{out}: the name of a weight file ends in .safetensors")
        if out.exists() and not overwrite:
            raise ReidError(f"{out}: exists already; add --overwrite to replace it")
        path = weights or DEFAULT_WEIGHTS
        source = parse_data(data, more_data(context))
        embedder = Embedder(path, runtime="auto", threads=threads)
        with data_folder(source) as unpacked, image_progress("embed", quiet) as on_start:
            examples = read_examples(embedder, unpacked, "train", attributes, on_start)
        settings = FitSettings(seed)
        total = len(settings.ridges) * settings.folds + 1
        with ProgressLine("fit", total, unit="fits", quiet=quiet) as line:
            fitted = fit_readout(examples, settings, line.update)
        write_readout(path, fitted.readout, out)
        about: dict[str, Any] = {
            "weights": str(path),
            "written": str(out),
            "fingerprint": embedder.fingerprint,
            "data": data,
            "seed": seed,
            "ridge": fitted.ridge,
        }
        _print(about, held_out_scores(fitted, examples), as_json)


def attributes_command(
    context: typer.Context,
    data: DataOption,
    attributes: AnnotationOption,
    weights: WeightsFile = None,
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score how well a weight file names clothing and belongings on the gallery's known people.

    Beside accuracy stand what always giving the most frequent answer would reach, the balanced
    accuracy and F1 (of the rarer of two answers, else the answers' mean).
    """
    with exit_codes():
        from reid.data.source import data_folder, parse_data
        from reid.inference import Embedder
        from reid.progress import image_progress
        from reid.wearing.measure import read_examples, scores_of
        from reid.weights_file import DEFAULT_WEIGHTS

        path = weights or DEFAULT_WEIGHTS
        source = parse_data(data, more_data(context))
        embedder = Embedder(path, runtime="auto", threads=threads)
        if embedder.readout is None:
            raise ReidError(f"{path}: names no attributes; see `reid fit-attributes`")
        with data_folder(source) as unpacked, image_progress("embed", quiet) as on_start:
            examples = read_examples(embedder, unpacked, "gallery", attributes, on_start)
        about: dict[str, Any] = {
            "weights": str(path),
            "fingerprint": embedder.fingerprint,
            "data": data,
        }
        _print(about, scores_of(embedder.readout, examples), as_json)


def _print(about: dict[str, Any], scores: WearingScores, as_json: bool) -> None:
    found = about | scores.as_dict()
    if as_json:
        print_result(found, True)
        return
    tables = ("questions", "options")
    print_result({key: value for key, value in found.items() if key not in tables}, False)
    for table in tables:
        typer.echo("\n" + markdown(found[table]))
    typer.echo("\n" + _NOTE)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table; numbers to the right, percent to a tenth."""
    keys = list(rows[0])
    shown = [[_cell(row[key]) for key in keys] for row in rows]
    widths = [max(len(line[k]) for line in [keys, *shown]) for k in range(len(keys))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if k else "-") for k, width in enumerate(widths))
    return "\n".join([line(keys), rule + "|", *(line(cells) for cells in shown)])


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
