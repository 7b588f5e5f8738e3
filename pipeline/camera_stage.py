"""One camera's step from a frame to closed tracklets; the same for a first pass and a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.crops import clip_boxes, crop_quality, cut, encode_jpeg, usable
from pipeline.exemplars import ExemplarMemory, average_views, choose_exemplars
from pipeline.frames import Frame
from pipeline.journal_records import JournalFrame
from pipeline.wire import round_features
from reid.embeddings import Embeddings
from storage.tracklets import Tracklet
from trackers.camera_motion import CameraMotion, MotionState
from trackers.detections import Detections
from trackers.pieces import Tracker, TrackPiece

IgnoreZones = Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class CameraFacts:
    """What is known about a camera once its source is open.

    Attributes:
        run_uuid: of the run.
        camera: id of the camera.
        source: path or address without credentials, as stored with the tracklets.
        frame_size_wh: width and height in pixels.
        fps: frames per second, nominal for live sources.
        fingerprint: of the embedder.
    """

    run_uuid: str
    camera: str
    source: str
    frame_size_wh: tuple[int, int]
    fps: float
    fingerprint: str


@dataclass(frozen=True)
class Prepared:
    """A frame whose crops wait for the embedder.

    Attributes:
        frame: the picture.
        detections: after ignore zones.
        rows: (K,) int64, which detections are to be embedded.
        crops_bgr: K views into the picture.
        camera_motion, motion_look: as in JournalFrame.
    """

    frame: Frame
    detections: Detections
    rows: NDArray[np.int64]
    crops_bgr: list[NDArray[np.uint8]]
    camera_motion: NDArray[np.float64] | None = None
    motion_look: MotionState | None = None


class CameraStage:
    """Tracks the people of one camera.

    `prepare` → (embedder) → `observe` → `advance` for a new frame; `advance` alone, preceded by
    `repeat_requests`, for a frame from the journal.

    Args:
        facts: about the camera.
        tracker: a fresh one, for this camera only.
        session: keeps the uuids of different trackers of one run and camera apart; the same
            session and the same frames give the same uuids.
        ignore_zones: polygons in 0..1 of width and height.
        camera_motion: a fresh one, for this camera only; None takes the camera for still.
    """

    def __init__(
        self,
        facts: CameraFacts,
        tracker: Tracker,
        session: str = "0",
        ignore_zones: IgnoreZones = (),
        camera_motion: CameraMotion | None = None,
    ) -> None:
        self.facts = facts
        self._tracker = tracker
        self._session = session
        self._zones = [np.asarray(zone, np.float32) for zone in ignore_zones]
        self._camera_motion = camera_motion
        self._memory = ExemplarMemory()
        self._origin_s = 0.0
        self.people = 0

    def prepare(self, frame: Frame, found: Detections) -> Prepared:
        """Drop ignored people, see how the camera moved, cut the crops that the tracker wants."""
        detections = drop_ignored(found, self._zones, self.facts.frame_size_wh)
        height, width = frame.image_bgr.shape[:2]
        wanted = self._tracker.embedding_requests(frame.time_utc.timestamp(), detections)
        clipped = clip_boxes(detections.boxes_xyxy, (width, height))
        rows = np.flatnonzero(np.asarray(wanted, bool) & usable(clipped)).astype(np.int64)
        crops = [cut(frame.image_bgr, clipped[row]) for row in rows]
        camera = self._camera_motion
        if camera is None:
            return Prepared(frame, detections, rows, crops)
        time_s = frame.time_utc.timestamp()
        motion = camera.update(frame.image_bgr, time_s, detections.boxes_xyxy)
        return Prepared(frame, detections, rows, crops, motion, camera.look)

    def see_again(
        self, frame: Frame, boxes_xyxy: NDArray[np.float32], look: MotionState | None
    ) -> None:
        """Show a replayed frame and its (N, 4) boxes to the camera's motion alone.

        `look` is what the journal holds of it; the first such frame must have one.
        """
        camera, time_s = self._camera_motion, frame.time_utc.timestamp()
        if camera is None:
            return
        if look is None:
            camera.update(frame.image_bgr, time_s, boxes_xyxy)
        else:
            camera.resume(frame.image_bgr, time_s, boxes_xyxy, look)

    def observe(self, prepared: Prepared, embeddings: Embeddings | None) -> JournalFrame:
        """Join a frame and its K embeddings into what the tracker and the journal will see."""
        frame, detections = prepared.frame, prepared.detections
        height, width = frame.image_bgr.shape[:2]
        rows = prepared.rows if embeddings is not None else prepared.rows[:0]
        qualities = [
            crop_quality(
                crop,
                int(row),
                detections.boxes_xyxy,
                float(detections.scores[row]),
                (width, height),
            )
            for crop, row in zip(prepared.crops_bgr, rows, strict=False)
        ]
        return JournalFrame(
            frame_index=frame.index,
            time_s=frame.time_utc.timestamp(),
            offset_s=float(frame.offset_s),
            detections=detections,
            embedded_rows=rows,
            embeddings=None if embeddings is None else _rounded(embeddings),
            crops_jpeg=tuple(
                encode_jpeg(crop) for crop, _ in zip(prepared.crops_bgr, rows, strict=False)
            ),
            qualities=np.array(qualities, np.float32),
            camera_motion=prepared.camera_motion,
            motion_look=prepared.motion_look,
        )

    def repeat_requests(self, seen: JournalFrame) -> None:
        """Ask the tracker as `prepare` did, so that a replayed tracker is in the same state."""
        self._tracker.embedding_requests(seen.time_s, seen.detections)

    def advance(self, seen: JournalFrame) -> list[Tracklet]:
        """Let the tracker take the frame; return the tracklets that it closed."""
        self._origin_s = seen.time_s - seen.offset_s
        self._memory.add(seen)
        pieces = self._tracker.update(
            seen.frame_index,
            seen.time_s,
            seen.detections,
            seen.embeddings,
            seen.embedded_rows,
            seen.camera_motion,
        )
        live = self._tracker.live()
        in_view = [track for track in live if track.observed]
        self.people = len(in_view)
        if len(seen.embedded_rows) and in_view:
            boxes = np.stack([track.box_xyxy for track in in_view])
            rows = _same_boxes(boxes, seen.detections.boxes_xyxy)
            owners = zip(in_view, rows.tolist(), strict=True)
            self._memory.assign(
                seen.frame_index, {track.track_id: row for track, row in owners if row >= 0}
            )
        tracklets = [self._tracklet(piece) for piece in pieces if len(piece.frame_indices)]
        self._memory.forget(seen.time_s, {track.track_id for track in live})
        return tracklets

    def has_live_tracks(self) -> bool:
        """Whether anybody is followed at the moment."""
        return bool(self._tracker.live())

    def close(self) -> list[Tracklet]:
        """End of the session: close everything that is open."""
        pieces = self._tracker.close()
        tracklets = [self._tracklet(piece) for piece in pieces if len(piece.frame_indices)]
        self._memory.clear()
        self.people = 0
        return tracklets

    def _tracklet(self, piece: TrackPiece) -> Tracklet:
        facts = self.facts
        namespace = UUID(facts.run_uuid)
        track = f"{facts.camera}/{self._session}/{piece.track_id}"
        pictures = self._memory.take(piece)
        return Tracklet(
            uuid=str(uuid5(namespace, f"{track}/{piece.piece}")),
            track_uuid=str(uuid5(namespace, track)),
            camera=facts.camera,
            frame_indices=piece.frame_indices,
            times_s=piece.times_s,
            boxes_xyxy=piece.boxes_xyxy,
            scores=piece.scores,
            exemplars=tuple(average_views(choose_exemplars(pictures), pictures)),
            fingerprint=facts.fingerprint,
            source=facts.source,
            source_offset_s=max(0.0, float(piece.times_s[0]) - self._origin_s),
            frame_size_wh=facts.frame_size_wh,
            source_fps=facts.fps,
        )


def drop_ignored(
    found: Detections, zones: Sequence[NDArray[np.float32]], frame_size_wh: tuple[int, int]
) -> Detections:
    """Leave out people whose feet (bottom centre of the box) are in a zone.

    Args:
        found: N detections, pixels.
        zones: polygons, each (P, 2) float32 in 0..1 of width and height; the edge belongs to it.
        frame_size_wh: width and height in pixels.
    """
    if not zones or not len(found):
        return found
    boxes = found.boxes_xyxy
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    feet = np.clip(feet / np.array(frame_size_wh, np.float32), 0, 1)
    keep = np.array([not any(_inside(zone, point) for zone in zones) for point in feet])
    return Detections(boxes[keep], found.scores[keep])


def _inside(zone: NDArray[np.float32], point: NDArray[np.float32]) -> bool:
    return cv2.pointPolygonTest(zone, (float(point[0]), float(point[1])), False) >= 0


def _same_boxes(
    boxes_xyxy: NDArray[np.float32], among_xyxy: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Row of the detection that each box equals to within a pixel, or -1: (M,) int64."""
    if not len(among_xyxy):
        return np.full(len(boxes_xyxy), -1, np.int64)
    apart = np.abs(boxes_xyxy[:, None] - among_xyxy[None]).max(axis=2)
    nearest = apart.argmin(axis=1)
    close = apart[np.arange(len(boxes_xyxy)), nearest] <= 1.0
    return np.where(close, nearest, -1).astype(np.int64)


def _rounded(embeddings: Embeddings) -> Embeddings:
    return Embeddings(
        round_features(embeddings.global_features),
        round_features(embeddings.part_features),
        round_features(embeddings.part_visibility),
        embeddings.fingerprint,
    )
