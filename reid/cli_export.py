"""The command `reid export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid.cli_options import (
    ConfigOption,
    JsonOption,
    OurWeightsOption,
    OverridesArgument,
    exit_codes,
    parse_overrides,
    print_result,
)

_ENDINGS = {"openvino": "_openvino", "onnx": ".onnx", "torchscript": ".torchscript.pt"}


def export_command(
    to: Annotated[str, typer.Option(help="openvino, onnx or torchscript.")],
    overrides: OverridesArgument = None,
    config: ConfigOption = None,
    weights: OurWeightsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, for openvino a folder; default: named like the weights, here."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a network for another runtime, any batch size, and check it against torch.

    Inputs are `images` and, for heads that need them, `joints`; outputs are `embedding`, `parts`,
    `visibility`.
    """
    with exit_codes():
        from reid.export import check_format, export
        from reid.opened_weights import WeightsChoice, our_weights
        from reid.weights_file import load_weights

        kind = check_format(to)
        choice = WeightsChoice(weights, config, parse_overrides(overrides or []))
        with our_weights(choice) as (file, name):
            network, input_hw, fingerprint = load_weights(file)
        path = out or Path(choice.path.stem + _ENDINGS[kind])
        written = export(network, input_hw, fingerprint, kind, path, overwrite=overwrite)
        print_result(
            {
                "exported": str(path),
                "to": kind,
                "weights": str(choice.path),
                "config": name,
                "fingerprint": fingerprint,
                "input_hw": list(input_hw),
                "outputs": list(written.outputs),
                "cosine_to_torch": written.cosine,
            },
            as_json,
        )
