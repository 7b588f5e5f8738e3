"""The kinds of records in a journal and their bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from pipeline.wire import WireError, pack_array, unpack_array
from reid.embeddings import Embeddings
from trackers.camera_motion import MotionState
from trackers.detections import Detections


@dataclass(frozen=True)
class JournalHead:
    """The first record.

    Attributes:
        run_uuid: of the run.
        camera: id of the camera.
        source: the recording as it is stored with the tracklets.
        frame_size_wh: width and height in pixels.
        fps: frames per second.
        frames_total: frames of the recording, None if unknown.
        fingerprint: of the embedder.
    """

    run_uuid: str
    camera: str
    source: str
    frame_size_wh: tuple[int, int]
    fps: float
    frames_total: int | None
    fingerprint: str


@dataclass(frozen=True)
class JournalFrame:
    """What was observed in one frame that the detector saw.

    Attributes:
        frame_index: 0-based frame of the source.
        time_s: POSIX seconds (UTC).
        offset_s: seconds from the start of the recording.
        detections: after ignore zones.
        embedded_rows: (K,) int64, which detections were embedded.
        embeddings: K rows, global and part features already rounded to float16; None if K is 0.
        crops_jpeg: K JPEG pictures.
        qualities: (K,) float32 in 0..1.
        camera_motion: (2, 3) float64 from the pixels of the observed frame before to those of
            this one; None if the camera was still, and in journals of before there was this.
        motion_look: what the estimate of the camera's motion goes on from, in the frames from
            which it can.
    """

    frame_index: int
    time_s: float
    offset_s: float
    detections: Detections
    embedded_rows: NDArray[np.int64]
    embeddings: Embeddings | None
    crops_jpeg: tuple[bytes, ...]
    qualities: NDArray[np.float32]
    camera_motion: NDArray[np.float64] | None = None
    motion_look: MotionState | None = None


@dataclass(frozen=True)
class JournalSkip:
    """A frame that the gate kept from the detector."""

    frame_index: int


@dataclass(frozen=True)
class JournalBreak:
    """All open tracks were closed here because the run was stopped; a new tracker follows."""


@dataclass(frozen=True)
class JournalEnd:
    """The end of the recording was reached and every tracklet was spooled.

    Attributes:
        frames: frames processed.
        tracklets: tracklets closed.
        position: index of the last frame, -1 if there was none.
    """

    frames: int
    tracklets: int
    position: int


Record = JournalHead | JournalFrame | JournalSkip | JournalBreak | JournalEnd
_PLAIN: dict[str, type] = {
    "head": JournalHead,
    "skip": JournalSkip,
    "break": JournalBreak,
    "end": JournalEnd,
}
_NAMES = {kind: name for name, kind in _PLAIN.items()}


def pack_record(record: Record) -> bytes:
    """Return the record as bytes."""
    if isinstance(record, JournalFrame):
        body: list[Any] = ["frame", _frame_fields(record)]
    else:
        body = [_NAMES[type(record)], asdict(record)]
    packed: bytes = msgpack.packb(body, use_bin_type=True)
    return packed


def unpack_record(data: bytes) -> Record:
    """Undo `pack_record`. Raises WireError if the bytes are no record."""
    try:
        name, fields = msgpack.unpackb(data, raw=False)
        if name == "frame":
            return _frame(fields)
        if name == "head":
            width, height = fields["frame_size_wh"]
            fields["frame_size_wh"] = (width, height)
        record: Record = _PLAIN[name](**fields)
        return record
    except WireError:
        raise
    except (KeyError, TypeError, ValueError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"not a journal record: {error!r}") from error


def _frame_fields(frame: JournalFrame) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "index": frame.frame_index,
        "time_s": frame.time_s,
        "offset_s": frame.offset_s,
        "boxes": pack_array(frame.detections.boxes_xyxy, "<f4"),
        "scores": pack_array(frame.detections.scores, "<f4"),
    }
    found = frame.embeddings
    if found is not None and len(found):
        fields |= {
            "rows": pack_array(frame.embedded_rows, "<i8"),
            "global": pack_array(found.global_features, "<f2"),
            "parts": pack_array(found.part_features, "<f2"),
            "visibility": pack_array(found.part_visibility, "<f2"),
            "fingerprint": found.fingerprint,
            "crops": list(frame.crops_jpeg),
            "qualities": pack_array(frame.qualities, "<f4"),
        }
    if frame.camera_motion is not None:
        fields["camera_motion"] = pack_array(frame.camera_motion, "<f8")
    look = frame.motion_look
    if look is not None:
        fields["motion_look"] = [look.watched_until_s, look.moving_until_s]
    return fields


def _frame(fields: dict[str, Any]) -> JournalFrame:
    embeddings = None
    rows, qualities = np.zeros(0, np.int64), np.zeros(0, np.float32)
    if "rows" in fields:
        rows, qualities = unpack_array(fields["rows"]), unpack_array(fields["qualities"])
        embeddings = Embeddings(
            unpack_array(fields["global"]).astype(np.float32),
            unpack_array(fields["parts"]).astype(np.float32),
            unpack_array(fields["visibility"]).astype(np.float32),
            fields["fingerprint"],
        )
    look, motion = fields.get("motion_look"), fields.get("camera_motion")
    return JournalFrame(
        frame_index=fields["index"],
        time_s=fields["time_s"],
        offset_s=fields["offset_s"],
        detections=Detections(unpack_array(fields["boxes"]), unpack_array(fields["scores"])),
        embedded_rows=rows,
        embeddings=embeddings,
        crops_jpeg=tuple(fields.get("crops", ())),
        qualities=qualities,
        camera_motion=None if motion is None else unpack_array(motion),
        motion_look=None if look is None else MotionState(*look),
    )
