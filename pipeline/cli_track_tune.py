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
    ] = 200,
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

    The score is the mean of HOTA and IDF1.
    """
    with session(DEFAULT_STORE, None, None, as_json) as current:
        from pipeline.tracking import track_tune as work

        options = work.TrackTuneOptions(
            data, preset, space, detections, weights, cache, trials, seed, jobs, out
        )
        finish(current, work.track_tune(options))
