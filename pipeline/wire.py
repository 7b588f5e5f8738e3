"""Messages as bytes: tracklets for the hub, heartbeats for the supervisor.

A message is `XW`, a version byte, a kind byte, the CRC-32 of the body and a msgpack body. Arrays
travel as (dtype, shape, bytes); feature vectors as float16, everything else exactly.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import asdict
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from pipeline.heartbeat import CameraProgress, Heartbeat
from storage.tracklets import Exemplar, Tracklet

MAGIC = b"XW"
VERSION = 1
_HEADER = struct.Struct("<2sBBI")
_TRACKLET, _HEARTBEAT = 1, 2
_DTYPES = frozenset({"<f2", "<f4", "<f8", "<i8"})


class WireError(ValueError):
    """The bytes are not a message that this version can read."""


def pack_array(array: NDArray[Any], dtype: str) -> list[Any]:
    """Return (dtype, shape, bytes) of the array as little-endian `dtype`, such as `<f4`."""
    fixed = np.ascontiguousarray(array, dtype=dtype)
    return [dtype, list(array.shape), fixed.tobytes()]


def unpack_array(packed: Any) -> NDArray[Any]:
    """Undo `pack_array`; a writable copy. Raises WireError if the parts do not fit together."""
    try:
        dtype, shape, data = packed
        if dtype not in _DTYPES:
            raise WireError(f"array of type {dtype!r}")
        return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
    except (TypeError, ValueError) as error:
        raise WireError(f"not an array: {error}") from error


def frame_message(kind: int, body: Any) -> bytes:
    """Wrap a msgpack-able body in header and checksum."""
    packed: bytes = msgpack.packb(body, use_bin_type=True)
    return _HEADER.pack(MAGIC, VERSION, kind, zlib.crc32(packed)) + packed


def open_message(data: bytes, kind: int) -> Any:
    """Check the header and return the body. Raises WireError."""
    if len(data) < _HEADER.size:
        raise WireError(f"{len(data)} bytes are too few for a message")
    magic, version, found, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    if magic != MAGIC:
        raise WireError("not a message of ours")
    if version != VERSION:
        raise WireError(f"message version {version}, this program reads version {VERSION}")
    if found != kind:
        raise WireError(f"message kind {found}, expected {kind}")
    if zlib.crc32(body) != checksum:
        raise WireError("checksum does not match, the message is damaged")
    try:
        return msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (TypeError, ValueError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"damaged body: {error}") from error


def is_intact(data: bytes) -> bool:
    """Whether the bytes are a whole message of this version, of whatever kind."""
    if len(data) < _HEADER.size:
        return False
    magic, version, _, checksum = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    return bool(magic == MAGIC and version == VERSION and zlib.crc32(body) == checksum)


def round_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round an array of any shape to the precision that is stored (float16), kept as float32."""
    return features.astype(np.float16).astype(np.float32)


def encode_tracklet(tracklet: Tracklet) -> bytes:
    """Return the tracklet as bytes; its feature vectors are rounded to float16."""
    return frame_message(
        _TRACKLET,
        {
            "uuid": tracklet.uuid,
            "track_uuid": tracklet.track_uuid,
            "camera": tracklet.camera,
            "frames": pack_array(tracklet.frame_indices, "<i8"),
            "times": pack_array(tracklet.times_s, "<f8"),
            "boxes": pack_array(tracklet.boxes_xyxy, "<f4"),
            "scores": pack_array(tracklet.scores, "<f4"),
            "exemplars": [_pack_exemplar(exemplar) for exemplar in tracklet.exemplars],
            "fingerprint": tracklet.fingerprint,
            "source": tracklet.source,
            "source_offset_s": float(tracklet.source_offset_s),
            "frame_size_wh": [int(side) for side in tracklet.frame_size_wh],
            "source_fps": float(tracklet.source_fps),
        },
    )


def decode_tracklet(data: bytes) -> Tracklet:
    """Undo `encode_tracklet`. Raises WireError for anything that is not an intact tracklet."""
    body = open_message(data, _TRACKLET)
    try:
        width, height = body["frame_size_wh"]
        return Tracklet(
            uuid=str(body["uuid"]),
            track_uuid=str(body["track_uuid"]),
            camera=str(body["camera"]),
            frame_indices=unpack_array(body["frames"]),
            times_s=unpack_array(body["times"]),
            boxes_xyxy=unpack_array(body["boxes"]),
            scores=unpack_array(body["scores"]),
            exemplars=tuple(_unpack_exemplar(packed) for packed in body["exemplars"]),
            fingerprint=str(body["fingerprint"]),
            source=str(body["source"]),
            source_offset_s=float(body["source_offset_s"]),
            frame_size_wh=(int(width), int(height)),
            source_fps=float(body["source_fps"]),
        )
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise WireError(f"not a tracklet: {error!r}") from error


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Return the heartbeat as bytes."""
    return frame_message(_HEARTBEAT, asdict(heartbeat))


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Undo `encode_heartbeat`. Raises WireError."""
    body = open_message(data, _HEARTBEAT)
    try:
        cameras = tuple(_camera_progress(fields) for fields in body["cameras"])
        return Heartbeat(**{**body, "cameras": cameras})
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"not a heartbeat: {error!r}") from error


def _camera_progress(fields: dict[str, Any]) -> CameraProgress:
    return CameraProgress(**{**fields, "warnings": tuple(fields["warnings"])})


def _pack_exemplar(exemplar: Exemplar) -> dict[str, Any]:
    return {
        "time_s": float(exemplar.time_s),
        "frame_index": int(exemplar.frame_index),
        "box": pack_array(exemplar.box_xyxy, "<f4"),
        "jpeg": exemplar.crop_jpeg,
        "quality": float(exemplar.quality),
        "global": pack_array(exemplar.global_feature, "<f2"),
        "parts": pack_array(exemplar.part_features, "<f2"),
        "visibility": pack_array(exemplar.part_visibility, "<f2"),
    }


def _unpack_exemplar(packed: Any) -> Exemplar:
    return Exemplar(
        time_s=float(packed["time_s"]),
        frame_index=int(packed["frame_index"]),
        box_xyxy=unpack_array(packed["box"]),
        crop_jpeg=bytes(packed["jpeg"]),
        quality=float(packed["quality"]),
        global_feature=unpack_array(packed["global"]).astype(np.float32),
        part_features=unpack_array(packed["parts"]).astype(np.float32),
        part_visibility=unpack_array(packed["visibility"]).astype(np.float32),
    )
