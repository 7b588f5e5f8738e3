"""The command `track-eval`: trackers on labelled sequences."""

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

_DIR = "DIR"


def track_eval(
    data: SequencesOption,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Tracker: a name in configs/tracker or a YAML file; several are compared. "
            "Default: crosswalk.",
        ),
    ] = None,
    detections: DetectionsOption = None,
    weights: EmbedderOption = None,
    no_appearance: Annotated[
        bool, typer.Option("--no-appearance", metavar="", help="Track by motion alone.")
    ] = False,
    no_interpolation: Annotated[
        bool,
        typer.Option(
            "--no-interpolation", metavar="", help="Leave out the boxes that a tracker fills in."
        ),
    ] = False,
    no_camera_motion: Annotated[
        bool,
        typer.Option("--no-camera-motion", metavar="", help="Take every camera for still."),
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting of the presets; repeatable."
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar=_DIR, help="Score these SEQUENCE.txt; run no tracker."),
    ] = None,
    one_id_space: Annotated[
        bool,
        typer.Option(
            "--one-id-space",
            metavar="",
            help="Also score all sequences as one; people keep their id across them.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar=_DIR, help="Write the tracks here as SEQUENCE.txt."),
    ] = None,
    render: Annotated[
        Path | None,
        typer.Option("--render", metavar=_DIR, help="Draw a video of each sequence here."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar=_DIR, help="Draw the ids of each sequence over time here."),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar=_DIR,
            help="Write why each stage of each frame matched what it matched, as JSON lines.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace files that are there.")
    ] = False,
    cache: CacheOption = None,
    as_json: Json = False,
) -> None:
    """Score trackers on labelled sequences (MOTChallenge): HOTA, IDF1, MOTA, switches, speed.

    Boxes and embeddings are computed once and kept; then a tracker is replayed in seconds.
    """
    with session(DEFAULT_STORE, None, None, as_json) as current:
        from pipeline.tracking import track_eval as work
        from reid.cli_options import parse_overrides

        options = work.TrackEvalOptions(
            data=data,
            presets=preset or [],
            overrides=parse_overrides(overrides or []),
            detections=detections,
            weights=weights,
            appearance=not no_appearance,
            interpolate=not no_interpolation,
            camera_motion=not no_camera_motion,
            results=results,
            out=out,
            render=render,
            plot=plot,
            explain=explain,
            overwrite=overwrite,
            cache=cache,
            one_id_space=one_id_space,
        )
        finish(current, work.track_eval(options))
