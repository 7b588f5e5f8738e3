"""Made-up people and their tracklets for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.association.evidence import Evidence
from pipeline.association.nodes import Nodes
from storage.records import CameraInfo
from storage.store import Store, sqlite_url
from storage.tracklets import Exemplar, Tracklet

T0 = 1_700_000_000.0
RUN = "run-1"
FINGERPRINT = "model-a"


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 rows of length 1."""
    rows = rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def blend(mean: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Rows of length 1 near `mean`."""
    rows = mean + noise * unit(rng, *mean.shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def exemplar(person: int, rng: np.random.Generator, time_s: float, noise: float) -> Exemplar:
    """A picture of a person, whose looks depend on the number alone."""
    looks = np.random.default_rng(500 + person)
    return Exemplar(
        time_s=time_s,
        frame_index=0,
        box_xyxy=np.array([0, 0, 40, 100], np.float32),
        crop_jpeg=b"jpeg",
        quality=0.5,
        global_feature=blend(unit(looks, 64), rng, noise),
        part_features=blend(unit(looks, 4, 32), rng, noise),
        part_visibility=np.ones(4, np.float32),
    )


def tracklet(
    uuid: str,
    person: int = 0,
    *,
    camera: str = "a",
    start_s: float = 0.0,
    length_s: float = 4.0,
    x: float = 100.0,
    exemplars: int = 4,
    noise: float = 0.4,
    track: str | None = None,
    fingerprint: str = FINGERPRINT,
    width: float = 40.0,
) -> Tracklet:
    """A person who stands at `x` in a camera, `start_s` seconds after T0, ten boxes a second."""
    rng = np.random.default_rng(list(uuid.encode()))
    count = max(2, round(length_s * 10) + 1)
    first = round(start_s * 10)
    left = np.array([x, 100, x + width, 200], np.float32)
    return Tracklet(
        uuid=uuid,
        track_uuid=track or f"track-{uuid}",
        camera=camera,
        frame_indices=np.arange(first, first + count, dtype=np.int64),
        times_s=T0 + start_s + np.linspace(0, length_s, count),
        boxes_xyxy=np.tile(left, (count, 1)),
        scores=np.full(count, 0.9, np.float32),
        exemplars=tuple(exemplar(person, rng, T0 + start_s, noise) for _ in range(exemplars)),
        fingerprint=fingerprint,
        source="/videos/a.mp4",
        source_offset_s=start_s,
        frame_size_wh=(1920, 1080),
        source_fps=10.0,
    )


def evidence_of(log_odds: np.ndarray) -> Evidence:
    """Evidence that holds these log odds and plain numbers beside them."""
    return Evidence(log_odds, log_odds / 10, 0.5 - log_odds / 100)


def nodes_of(tracklets: Sequence[Tracklet]) -> Nodes:
    """The nodes of tracklets."""
    return Nodes.of(tracklets)


def open_store(folder: Path) -> Store:
    """A new archive in which the run has begun."""
    store = Store.open(sqlite_url(folder / "store"), folder / "media", create=True, fsync=False)
    store.begin_run(RUN, {}, [CameraInfo(id=c, name=c, source=f"{c}.mp4") for c in "abc"])
    return store
