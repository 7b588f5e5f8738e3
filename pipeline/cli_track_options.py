"""Options that `track-eval` and `track-tune` share: what trackers are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SequencesOption = Annotated[
    list[Path],
    typer.Option("--data", metavar="DIR", help="Sequence, or folder of them; repeatable."),
]
DetectionsOption = Annotated[
    str | None,
    typer.Option(
        "--detections",
        metavar="FILE",
        help="Boxes, below each sequence, such as det/det.txt. Default: run the detector.",
    ),
]
EmbedderOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Embedder; default: the shipped one."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Boxes and embeddings are kept here. Default: crosswalk/tracking below "
        "$XDG_CACHE_HOME or ~/.cache.",
    ),
]
