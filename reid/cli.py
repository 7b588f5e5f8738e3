"""The ReID commands: train, evaluate, export-weights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from reid.errors import ReidError
from reid.progress import image_progress

if TYPE_CHECKING:
    from reid.evaluate import DistanceName

app = typer.Typer(no_args_is_help=True, help="Train, score and export the project's embedders.")

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="NAME=FOLDER_OR_ZIP; NAME is market1501 (also for pictures laid out and named like "
        "it), cuhk03, cuhk03_labeled, cuhk03_detected, msmt17 or mars.",
    ),
]
JointsOption = Annotated[
    Path | None, typer.Option(help=".npz of body joints of every image, for systems that use them.")
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what is there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Plain progress lines, no bar.")]


@app.command("train")
def train_command(
    config: Annotated[Path, typer.Option(help="The system: configs/reid/NAME.yaml.")],
    data: DataOption,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Keys to change, as train.seed=1."),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Model to learn from: .xml, .onnx, or torchreid's .pth.")
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="Folder of crops of anybody, to learn from the teacher.")
    ] = None,
    joints: JointsOption = None,
    attributes: Annotated[
        Path | None, typer.Option(help=".csv of clothing and belongings, for losses about them.")
    ] = None,
    pretrained: Annotated[
        Path | None, typer.Option(help="ImageNet checkpoint for the backbone's start.")
    ] = None,
    initial: Annotated[
        Path | None, typer.Option(help="checkpoint.pt whose averaged weights are the start.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a system; checkpoints, log.jsonl and model.safetensors go to the run folder.

    Ctrl-C saves a checkpoint first; --resume goes on exactly there.
    """
    with exit_codes():
        from reid.cli_train import TrainOptions, run_training

        options = TrainOptions(
            config=config,
            data=data,
            overrides=parse_overrides(overrides or []),
            teacher=teacher,
            unlabelled=unlabelled,
            joints=joints,
            attributes=attributes,
            pretrained=pretrained,
            initial=initial,
            out=out,
            resume=resume,
            device=device,
            threads=threads,
            quiet=quiet,
        )
        written = run_training(options)
        if written:
            _print(written, as_json)


@app.command("evaluate")
def evaluate_command(
    data: DataOption,
    weights: Annotated[
        Path | None, typer.Option(help="Weight file; default: the shipped one.")
    ] = None,
    distance: Annotated[str, typer.Option(help="global or aligned.")] = "global",
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score weights on a data set: rank-1/5/10, mAP and mINP in percent, single query.

    `aligned` re-ranks the best 200 of each query with the parts of the body.
    """
    with exit_codes():
        from reid.data.source import data_folder, parse_data
        from reid.evaluate import evaluate_folder
        from reid.inference import Embedder
        from reid.weights_file import DEFAULT_WEIGHTS

        chosen = _distance(distance)
        path = weights or DEFAULT_WEIGHTS
        source = parse_data(data)
        embedder = Embedder(path, threads=threads)
        start = time.monotonic()
        with data_folder(source) as unpacked, image_progress("embed", quiet) as on_start:
            scores = evaluate_folder(embedder, unpacked, chosen, on_start)
        about: dict[str, Any] = {
            "data": data,
            "weights": str(path),
            "fingerprint": embedder.fingerprint,
            "runtime": embedder.runtime,
            "distance": distance,
            "seconds": round(time.monotonic() - start, 1),
        }
        _print(about | scores.as_dict(), as_json)


@app.command("export-weights")
def export_weights_command(
    checkpoint: Annotated[Path, typer.Option(help="checkpoint.pt of a run.")],
    config: Annotated[Path, typer.Option(help="The YAML the run was trained with.")],
    to: Annotated[Path, typer.Option(help="Weight file to write, .safetensors.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="The keys that the run changed."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint's averaged (EMA) weights as an fp16 weight file."""
    with exit_codes():
        from reid.config import load_reid_config
        from reid.training_state import averaged_model
        from reid.weights_file import load_weights, save_weights

        if to.suffix != ".safetensors":
            raise ReidError(f"{to}: the name of a weight file ends in .safetensors")
        if to.exists() and not overwrite:
            raise ReidError(f"{to}: exists already; add --overwrite to replace it")
        system = load_reid_config(config, parse_overrides(overrides or []))
        model = averaged_model(checkpoint, system)
        save_weights(model, system.model, system.input_hw, to)
        _print({"weights": str(to), "fingerprint": load_weights(to)[2]}, as_json)


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """["a.b=1"] -> {"a.b": 1}; values are YAML.

    Raises:
        ReidError: a word without "=", or a value that is not YAML.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ReidError(f"{pair}: write a changed key as KEY=VALUE, such as train.seed=1")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ReidError(f"{pair}: the value is not YAML") from error
    return found


@contextmanager
def exit_codes() -> Iterator[None]:
    """Bad input and Ctrl-C become one line on standard error and exit code 2 or 130.

    Raises:
        SystemExit: instead of ReidError, an OSError that names a file, and KeyboardInterrupt.
    """
    try:
        yield
    except ReidError as error:
        text = " ".join(str(error).split())
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except OSError as error:
        if error.filename is None:
            raise
        text = f"{error.filename}: {error.strerror}"
    else:
        return
    typer.echo(text, err=True)
    raise SystemExit(EXIT_BAD_INPUT)


def _distance(name: str) -> DistanceName:
    if name == "global":
        return "global"
    if name == "aligned":
        return "aligned"
    raise ReidError(f"--distance {name}: choose global or aligned")


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    width = max(len(key) for key in result)
    for key, value in result.items():
        shown = f"{value:.2f}" if isinstance(value, float) else value
        typer.echo(f"{key:<{width}}  {shown}")
