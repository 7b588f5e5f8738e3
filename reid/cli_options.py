"""What the ReID commands share: options, overrides, exit codes, how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from reid.data.layout import MoreData
from reid.errors import ReidError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="NAME=FOLDER_OR_ZIP; NAME is market1501 (also for pictures laid out and named like "
        "it), cuhk03, cuhk03_labeled, cuhk03_detected, msmt17 or mars; or, with the "
        "main job's store as FOLDER, tracklets or tracklets_confirmed.",
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(help="YAML of the system; a checkpoint.pt needs it.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")]
JointsOption = Annotated[
    Path | None, typer.Option(help=".npz of body joints of every image, for systems that use them.")
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Keys of --config to change, as train.seed=1."),
]
OurWeightsOption = Annotated[
    Path | None, typer.Option(help=".safetensors or checkpoint.pt; default: the shipped model.")
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what is there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Plain progress lines, no bar.")]


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


def set_device(device: str, threads: int) -> str:
    """The device to use, cpu or cuda; limits torch's CPU threads (0: no limit).

    `auto` is the GPU where there is one.

    Raises:
        ReidError: an unknown device, or no GPU.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ReidError(f"--device {device}: choose auto, cpu or cuda")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ReidError("--device cuda: this machine has no usable GPU")
    if threads:
        torch.set_num_threads(threads)
    return device


def more_data(context: typer.Context) -> MoreData | None:
    """The data sets that the program around these commands knows, if any."""
    return context.find_object(MoreData)


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


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """One JSON object, or one line per key; what is None stands as "-"."""
    if as_json:
        typer.echo(json.dumps(result))
        return
    width = max(len(key) for key in result)
    for key, value in result.items():
        shown = f"{value:.2f}" if isinstance(value, float) else "-" if value is None else value
        typer.echo(f"{key:<{width}}  {shown}")
