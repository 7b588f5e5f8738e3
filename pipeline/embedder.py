"""The embedder stage: the project's own ReID model, by default the one that is shipped."""

from __future__ import annotations

from pathlib import Path

from reid.inference import Embedder
from reid.weights_file import DEFAULT_WEIGHTS

__all__ = ["Embedder", "load_embedder"]


def load_embedder(weights: str | Path | None = None, *, threads: int = 0) -> Embedder:
    """The embedder of a weight file; None means the shipped default.

    Raises:
        ReidError: the file is missing or not a weight file of this project.
    """
    return Embedder(Path(weights) if weights else DEFAULT_WEIGHTS, threads=threads)
