"""A tracklet to database rows and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from storage import models as m
from storage.codec import half_array, half_bytes, pack_array, unit_rows, unpack_array
from storage.errors import StoreError
from storage.media import check_uuid, crop_path
from storage.redact import without_credentials
from storage.tracklets import Exemplar, Tracklet

LATEST_S = 253_402_300_799.0
"""Seconds since 1970 that a calendar date can say: the end of the year 9999."""


def check_tracklet(tracklet: Tracklet) -> None:
    """Refuse what could not be read back.

    Raises:
        StoreError: it is empty, its arrays disagree, times run backwards, or a vector is not
            finite.
    """
    name = f"tracklet {check_uuid(tracklet.uuid)}"
    count = len(tracklet.times_s)
    if count == 0:
        raise StoreError(f"{name} has no boxes")
    shapes = (tracklet.frame_indices.shape, tracklet.boxes_xyxy.shape, tracklet.scores.shape)
    if shapes != ((count,), (count, 4), (count,)) or tracklet.times_s.shape != (count,):
        raise StoreError(f"{name}: {count} times, but arrays of shapes {shapes}")
    if not np.isfinite(tracklet.times_s).all() or (np.diff(tracklet.times_s) < 0).any():
        raise StoreError(f"{name}: its times are not finite and ascending")
    if np.abs(tracklet.times_s).max() > LATEST_S:
        raise StoreError(f"{name}: its times are beyond the year 9999")
    for exemplar in tracklet.exemplars:
        _check_exemplar(name, exemplar)


def _check_exemplar(name: str, exemplar: Exemplar) -> None:
    """Check the shapes and numbers of one exemplar."""
    parts = exemplar.part_features
    shapes = (exemplar.box_xyxy.shape, exemplar.part_visibility.shape)
    if exemplar.global_feature.ndim != 1 or parts.ndim != 2 or shapes != ((4,), parts.shape[:1]):
        raise StoreError(f"{name}: an exemplar's arrays have the wrong shapes")
    for vector in (exemplar.global_feature, parts, exemplar.part_visibility):
        if not np.isfinite(vector).all():
            raise StoreError(f"{name}: an exemplar's vectors are not finite")


def to_row(tracklet: Tracklet, run_uuid: str) -> m.Tracklet:
    """Return the row of ``tracklet`` with the rows of its exemplars."""
    detected = tracklet.scores[tracklet.scores > 0]
    width, height = tracklet.frame_size_wh
    return m.Tracklet(
        uuid=tracklet.uuid,
        track_uuid=tracklet.track_uuid,
        camera_id=tracklet.camera,
        run_uuid=run_uuid,
        start_s=tracklet.start_s,
        end_s=tracklet.end_s,
        source=without_credentials(tracklet.source),
        source_offset_s=float(tracklet.source_offset_s),
        source_fps=float(tracklet.source_fps),
        frame_width=int(width),
        frame_height=int(height),
        box_count=len(tracklet.times_s),
        mean_score=float(detected.mean(dtype=np.float64)) if len(detected) else 0.0,
        fingerprint=tracklet.fingerprint,
        frame_indices=pack_array(tracklet.frame_indices, "<i8"),
        times=pack_array(tracklet.times_s, "<f8"),
        boxes=pack_array(tracklet.boxes_xyxy, "<f4"),
        scores=pack_array(tracklet.scores, "<f4"),
        exemplars=[
            _exemplar_row(tracklet, rank, exemplar)
            for rank, exemplar in enumerate(tracklet.exemplars)
        ],
    )


def _exemplar_row(tracklet: Tracklet, rank: int, exemplar: Exemplar) -> m.Exemplar:
    part_count, part_dim = exemplar.part_features.shape
    return m.Exemplar(
        rank=rank,
        time_s=float(exemplar.time_s),
        frame_index=int(exemplar.frame_index),
        box=np.asarray(exemplar.box_xyxy, "<f4").tobytes(),
        quality=float(exemplar.quality),
        crop_path=crop_path(tracklet.camera, tracklet.start_s, tracklet.uuid, rank),
        dim=len(exemplar.global_feature),
        part_count=part_count,
        part_dim=part_dim,
        visibility=half_bytes(exemplar.part_visibility),
        vector=exemplar.global_feature,
        parts=half_bytes(exemplar.part_features),
    )


def from_row(row: m.Tracklet, read_crop: Callable[[str], bytes] | None) -> Tracklet:
    """Return the tracklet of ``row``.

    Args:
        row: with its exemplars loaded.
        read_crop: returns the bytes of a crop; None leaves ``crop_jpeg`` empty.
    """
    count = row.box_count
    return Tracklet(
        uuid=row.uuid,
        track_uuid=row.track_uuid,
        camera=row.camera_id,
        frame_indices=unpack_array(row.frame_indices, "<i8", (count,)),
        times_s=unpack_array(row.times, "<f8", (count,)),
        boxes_xyxy=unpack_array(row.boxes, "<f4", (count, 4)),
        scores=unpack_array(row.scores, "<f4", (count,)),
        exemplars=tuple(_exemplar(exemplar, read_crop) for exemplar in row.exemplars),
        fingerprint=row.fingerprint,
        source=row.source,
        source_offset_s=row.source_offset_s,
        frame_size_wh=(row.frame_width, row.frame_height),
        source_fps=row.source_fps,
    )


def _exemplar(row: m.Exemplar, read_crop: Callable[[str], bytes] | None) -> Exemplar:
    return Exemplar(
        time_s=row.time_s,
        frame_index=row.frame_index,
        box_xyxy=np.frombuffer(row.box, "<f4").astype(np.float32),
        crop_jpeg=read_crop(row.crop_path) if read_crop else b"",
        quality=row.quality,
        global_feature=unit_rows(row.vector),
        part_features=unit_rows(half_array(row.parts, (row.part_count, row.part_dim))),
        part_visibility=half_array(row.visibility, (row.part_count,)),
    )
