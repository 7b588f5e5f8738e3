"""The command `track-tune`: search a tracker preset's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_options import Json, finish
from pipeline.cli_session import DEFAULT_STORE, session
from pipeline.cli_track_options import (
    CacheOption,
    DetectionsOption,
    EmbedderOption,
    SequencesOption,
)


def track_tune(
    data: SequencesOption,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="Tracker whose settings are searched.")
    ] = "crosswalk",
    space: Annotated[
        Path | None,
        typer.Option(
            "--space", metavar="YAML", help="Ranges; default: configs/tracker/tune/PRESET.yaml."
        ),
    ] = None,
    detections: DetectionsOption = None,
    weights: EmbedderOption = None,
    cache: CacheOption = None,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", min=1, help="Candidates per search.")
    ] = 60,
    searches: Annotated[
        int,
        typer.Option(
            "--searches", metavar="N", min=1, help="Per fold; the medians of their settings count."
        ),
    ] = 3,
    variants: Annotated[
        str,
        typer.Option(
            "--variants",
            metavar="NAMES",
            help="Also search on changed versions of each sequence, by comma: backwards, low-rate, "
            "bars, bad-boxes; or none.",
        ),
    ] = "backwards,low-rate,bars,bad-boxes",
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of all chances.")] = 0,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=0, help="Processes; 0: one per core.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="YAML", help="Write a preset with what was found on all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Search a tracker's settings; every sequence is left out once and scored by the others' best.

    Each fold searches several times and takes the medians of what it found.

    The score is the mean of HOTA and IDF1.
    """
    with session(DEFAULT_STORE, None, None, as_json) as current:
        from pipeline.tracking import track_tune as work

        names = () if variants == "none" else tuple(variants.split(","))
        options = work.TrackTuneOptions(
            data,
            preset,
            space,
            detections,
            weights,
            cache,
            trials,
            searches,
            names,
            seed,
            jobs,
            out,
        )
        finish(current, work.track_tune(options))
