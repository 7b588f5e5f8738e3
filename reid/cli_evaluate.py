"""The command `reid evaluate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from reid.cli_options import (
    ConfigOption,
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
    set_device,
)
from reid.errors import ReidError
from reid.progress import image_progress

if TYPE_CHECKING:
    from reid.evaluate import Ranking


def evaluate_command(
    context: typer.Context,
    data: DataOption,
    overrides: OverridesArgument = None,
    config: ConfigOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help=".safetensors, checkpoint.pt, or another project's .xml, .onnx or torchreid .pth; "
            "default: the shipped model."
        ),
    ] = None,
    distance: Annotated[str, typer.Option(help="global, aligned or progressive.")] = "global",
    rerank: Annotated[
        str | None, typer.Option(help="k-reciprocal or ssm, after the global distance.")
    ] = None,
    occlude: Annotated[
        float, typer.Option(metavar="P", help="Share of the test images to occlude, 0 to 1.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the occlusion.")] = 0,
    joints: JointsOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score weights on a data set: rank-1/5/10, mAP and mINP in percent, single query.

    `aligned` ranks the best 200 of each query again with the parts of the body, `progressive` (PGR)
    with parts, then pixels. `ssm` learns from the training split, which is embedded, too.
    """
    with exit_codes():
        from reid.data.occlusion import Occlusion
        from reid.data.source import data_folder, parse_data
        from reid.evaluate import evaluate_source
        from reid.opened_weights import HowToRun, WeightsChoice, open_weights

        device = set_device(device, threads)
        ranking = read_ranking(distance, rerank, device)
        if not 0 <= occlude <= 1:
            raise ReidError(f"--occlude {occlude}: give a share of the test images, 0 to 1")
        source = parse_data(data, more_data(context))
        choice = WeightsChoice(weights, config, parse_overrides(overrides or []))
        how = HowToRun(ranking.distance, joints, device, threads)
        with open_weights(choice, how) as opened:
            start = time.monotonic()
            with data_folder(source) as unpacked, image_progress("embed", quiet) as on_start:
                scores = evaluate_source(
                    opened.describer,
                    unpacked,
                    ranking,
                    occlusion=Occlusion(occlude, seed) if occlude else None,
                    on_start=on_start,
                )
        about: dict[str, Any] = {
            "data": data,
            "weights": str(choice.path),
            "config": opened.config,
            "fingerprint": opened.fingerprint,
            "runtime": opened.runtime,
            "device": opened.device,
            "distance": distance,
            "rerank": rerank,
            "occlude": occlude,
            "seed": seed,
            "seconds": round(time.monotonic() - start, 1),
        }
        print_result(about | scores.as_dict(), as_json)


def read_ranking(distance: str, rerank: str | None, device: str) -> Ranking:
    """The words of the command line as a `Ranking`.

    Raises:
        ReidError: an unknown distance or re-ranking, or two that do not go together.
    """
    from reid.evaluate import DistanceName, Ranking, RerankName

    if distance not in get_args(DistanceName):
        raise ReidError(f"--distance {distance}: choose global, aligned or progressive")
    if rerank is not None and rerank not in get_args(RerankName):
        raise ReidError(f"--rerank {rerank}: choose k-reciprocal or ssm")
    return Ranking(distance, rerank, device)  # type: ignore[arg-type]  # checked above
