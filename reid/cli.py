"""The ReID commands: train, evaluate, compare, rank, export, attributes and more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid.cli_compare import compare_command
from reid.cli_evaluate import evaluate_command
from reid.cli_export import export_command
from reid.cli_options import (
    DataOption,
    DeviceOption,
    JointsOption,
    JsonOption,
    OverridesArgument,
    QuietOption,
    ThreadsOption,
    exit_codes,
    more_data,
    parse_overrides,
    print_result,
)
from reid.cli_rank import rank_command
from reid.cli_wearing import attributes_command, fit_attributes_command
from reid.errors import ReidError

app = typer.Typer(no_args_is_help=True, help="Train, score and export the project's embedders.")


@app.command("train")
def train_command(
    context: typer.Context,
    config: Annotated[Path, typer.Option(help="The system: configs/reid/NAME.yaml.")],
    data: DataOption,
    overrides: OverridesArgument = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="Model to learn from: .safetensors of this project, .xml, .onnx, or torchreid's "
            ".pth."
        ),
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
    device: DeviceOption = "auto",
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
            more_data=more_data(context),
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
            print_result(written, as_json)


app.command("evaluate")(evaluate_command)
app.command("compare")(compare_command)
app.command("rank")(rank_command)
app.command("export")(export_command)
app.command("attributes")(attributes_command)
app.command("fit-attributes")(fit_attributes_command)


@app.command("export-weights")
def export_weights_command(
    checkpoint: Annotated[Path, typer.Option(help="checkpoint.pt of a run.")],
    config: Annotated[Path, typer.Option(help="The YAML the run was trained with.")],
    to: Annotated[Path, typer.Option(help="Weight file to write, .safetensors.")],
    overrides: OverridesArgument = None,
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
        print_result({"weights": str(to), "fingerprint": load_weights(to)[2]}, as_json)
