"""Identities out of the store as MOTChallenge rows, for files and for scoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storage.tracklets import Tracklet
from trackers.motfile import MotRows, write_mot_files

MAX_TIME_DIFFERENCE_S = 1.0
"""How far apart the times of one frame may be in two tracklets."""

LOWEST_SCORE = 0.001
"""The lowest score in a file; 0 would be read as "do not consider" where a file is ground truth."""


class ExportError(ValueError):
    """The identities cannot be written as MOTChallenge files; the message is one line."""


class IdentityLink(Protocol):
    """Which identity a tracklet has."""

    @property
    def identity_id(self) -> int | None:
        """The identity, None if the associator gave none."""


class IdentityStore(Protocol):
    """The part of `storage.Store` that is read here."""

    def tracklets(self, *, run_uuid: str | None = None) -> Sequence[Tracklet]:
        """Tracklets of one run, or all."""

    def links(self, uuids: list[str], /) -> Mapping[str, IdentityLink]:
        """The link of each tracklet that has one, by tracklet uuid."""


def export_mot(
    store: IdentityStore,
    directory: Path,
    *,
    run_uuid: str | None = None,
    cameras: Iterable[str] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Write one `<camera>.txt` of MOTChallenge rows per camera; all files or none.

    Boxes that were interpolated, whose score is 0 in the store, are written with 0.001: a score of
    0 means "do not consider", and the files are to serve as ground truth too.

    Args:
        store: where the tracklets and identities are.
        directory: folder of the files; made if it is missing.
        run_uuid: only this run; by default everything in the store.
        cameras: cameras that get an (empty) file even if nobody was seen in them.
        overwrite: replace files that are already there.

    Returns:
        The files, sorted by camera; empty if there is no tracklet and no camera was named.

    Raises:
        ExportError: a camera's name is no file name, or see `hypotheses_from_store`.
        trackers.motfile.MotFileExistsError: a file is there and `overwrite` is False.
        trackers.motfile.MotFileError: a file cannot be written.
    """
    rows = hypotheses_from_store(store, run_uuid, cameras=cameras)
    files = {directory / _file_name(camera): _considered(rows[camera]) for camera in sorted(rows)}
    try:
        if files:
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{directory}: cannot make this folder: {error.strerror}") from error
    write_mot_files(files, overwrite=overwrite)
    return list(files)


def hypotheses_from_store(
    store: IdentityStore, run_uuid: str | None = None, *, cameras: Iterable[str] = ()
) -> dict[str, MotRows]:
    """The boxes of each camera under their identities, frames counted from 1.

    A track without identity gets an id of its own above the largest identity; all its pieces
    share it. Where pieces of one identity overlap in a frame the box with the higher score stays.

    Args:
        store: where the tracklets and identities are.
        run_uuid: only this run; by default everything in the store.
        cameras: cameras that are in the result even if nobody was seen in them.

    Raises:
        ExportError: a camera has tracklets of two recordings, or of two openings of one stream,
            with the same frame numbers.
    """
    tracklets = sorted(
        store.tracklets(run_uuid=run_uuid), key=lambda t: (t.camera, t.start_s, t.uuid)
    )
    ids = _ids(tracklets, store.links([t.uuid for t in tracklets]))
    by_camera: dict[str, list[Tracklet]] = {camera: [] for camera in cameras}
    for tracklet in tracklets:
        by_camera.setdefault(tracklet.camera, []).append(tracklet)
    rows: dict[str, MotRows] = {}
    for camera, own in by_camera.items():
        _check_sources(camera, own)
        _check_times(camera, own)
        parts = [_rows(tracklet, ids[tracklet.uuid]) for tracklet in own]
        rows[camera] = _one_box_per_frame(MotRows.concatenate(parts))
    return rows


def _ids(tracklets: list[Tracklet], links: Mapping[str, IdentityLink]) -> dict[str, int]:
    """The id of each tracklet: its identity, or a fresh id for its track."""
    identities = {t.uuid: links[t.uuid].identity_id for t in tracklets if t.uuid in links}
    next_id = 1 + max((i for i in identities.values() if i is not None), default=0)
    fresh: dict[tuple[str, str], int] = {}
    ids: dict[str, int] = {}
    for tracklet in tracklets:
        identity = identities.get(tracklet.uuid)
        if identity is None:
            track = (tracklet.camera, tracklet.track_uuid)
            identity = fresh.setdefault(track, next_id + len(fresh))
        ids[tracklet.uuid] = identity
    return ids


def _rows(tracklet: Tracklet, identity: int) -> MotRows:
    return MotRows(
        tracklet.frame_indices + 1,
        np.full(len(tracklet.frame_indices), identity, np.int64),
        tracklet.boxes_xyxy,
        tracklet.scores,
    )


def _considered(rows: MotRows) -> MotRows:
    """The rows with scores that no reader takes for "do not consider"."""
    return replace(rows, scores=np.maximum(rows.scores, np.float32(LOWEST_SCORE)))


def _one_box_per_frame(rows: MotRows) -> MotRows:
    """Sorted by frame and id; of rows with the same frame and id the best one, then the first."""
    order = np.lexsort((-rows.scores, rows.ids, rows.frames))
    ordered = rows.select(order)
    first: NDArray[np.bool_] = np.ones(len(ordered), np.bool_)
    first[1:] = (np.diff(ordered.frames) != 0) | (np.diff(ordered.ids) != 0)
    return ordered.select(first)


def _check_sources(camera: str, tracklets: list[Tracklet]) -> None:
    """Frames of two recordings must not be mistaken for each other."""
    spans: dict[str, tuple[int, int]] = {}
    for tracklet in tracklets:
        first, last = int(tracklet.frame_indices[0]), int(tracklet.frame_indices[-1])
        low, high = spans.get(tracklet.source, (first, last))
        spans[tracklet.source] = (min(low, first), max(high, last))
    ordered = sorted((span, source) for source, span in spans.items())
    for (one, source), (other, next_source) in pairwise(ordered):
        if other[0] <= one[1]:
            raise ExportError(
                f"camera {camera}: {source} and {next_source} have the same frame numbers; "
                "choose one run"
            )


def _check_times(camera: str, tracklets: list[Tracklet]) -> None:
    """A frame number that was counted twice (a source opened again) is not one frame."""
    frames = np.concatenate([np.zeros(0, np.int64), *(t.frame_indices for t in tracklets)])
    times_s = np.concatenate([np.zeros(0), *(t.times_s for t in tracklets)])
    order = np.lexsort((times_s, frames))
    twice = (np.diff(frames[order]) == 0) & (np.diff(times_s[order]) > MAX_TIME_DIFFERENCE_S)
    if twice.any():
        frame = int(frames[order][np.flatnonzero(twice)[0]]) + 1
        raise ExportError(
            f"camera {camera}: frame {frame} was seen at two times, as its source was opened more "
            "than once; choose one run"
        )


def _file_name(camera: str) -> str:
    if not camera or camera.startswith(".") or any(c in '/\\:*?"<>|\0' for c in camera):
        raise ExportError(f"camera {camera!r} cannot be the name of a file")
    return f"{camera}.txt"
