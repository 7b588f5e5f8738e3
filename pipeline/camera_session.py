"""One camera inside a worker: its stage, its journal, its spool and its counters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.camera_counters import CameraCounters
from pipeline.camera_stage import CameraFacts, CameraStage, Prepared
from pipeline.config import CameraConfig, SourceKind
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.heartbeat import CameraState
from pipeline.journal import Journal, read_records
from pipeline.journal_records import (
    JournalBreak,
    JournalEnd,
    JournalFrame,
    JournalHead,
    JournalSkip,
    Record,
)
from pipeline.look_back import LookBack
from pipeline.spool import Spool
from pipeline.stage_types import Stages
from pipeline.wire import encode_tracklet
from reid.embeddings import Embeddings
from storage.tracklets import Tracklet
from trackers.detections import Detections

logger = logging.getLogger(__name__)

NOMINAL_FPS = 25.0
"""Assumed for sources that do not say how many frames per second they have."""


@dataclass(frozen=True)
class SessionFiles:
    """Where a camera keeps what must survive.

    Attributes:
        spool: closed tracklets that the hub does not have.
        journal: path of the journal; None for live cameras.
    """

    spool: Spool
    journal: Path | None


def is_recording(camera: CameraConfig) -> bool:
    """Whether the camera can be read again from any frame."""
    return camera.kind not in (SourceKind.STREAM, SourceKind.WEBCAM)


class CameraSession:
    """Brings one camera from frame to spooled tracklet and keeps count.

    Args:
        camera: its settings.
        run_uuid: of the run.
        stages: the worker's stages.
        files: where the camera keeps what must survive.
    """

    def __init__(
        self,
        camera: CameraConfig,
        run_uuid: str,
        stages: Stages,
        files: SessionFiles,
    ) -> None:
        self.camera = camera
        self.counters = CameraCounters(camera.id, live=files.journal is None)
        self.clock = self.counters.clock
        self._run_uuid = run_uuid
        self._stages = stages
        self._files = files
        self._gate = stages.make_gate(camera)
        self._journal: Journal | None = None
        self._stage: CameraStage | None = None
        self._head: JournalHead | None = None
        self._breaks = 0
        self._live_since = time.time_ns()
        self._replaying = False
        self._look_back = LookBack()

    @property
    def has_live_tracks(self) -> bool:
        """Whether anybody is followed at the moment."""
        return self._stage is not None and self._stage.has_live_tracks()

    def resume(self, stopped: Callable[[], bool] = lambda: False) -> int | None:
        """Replay the journal, if any, and say where to go on.

        Args:
            stopped: asked between records; True ends the replay, the journal stays as it is.

        Returns:
            the next frame; None if the camera is finished or the replay was stopped.

        Raises:
            SourceError: the journal belongs to another embedder.
        """
        if self._files.journal is None:
            return 0
        self._replaying = True
        self._journal = Journal(self._files.journal)
        self._journal.flush()
        for record in read_records(self._files.journal):
            if stopped():
                return None
            self._replay(record)
            if isinstance(record, JournalEnd):
                return None
        self._replaying = False
        if self.counters.progress.frames:
            logger.info(
                "camera %s goes on at %d", self.camera.id, self.counters.progress.position + 1
            )
        return self.counters.progress.position + 1

    def start_frame(self, stopped: Callable[[], bool] = lambda: False) -> int | None:
        """Like `resume`, but say where to begin reading: the last frames may be needed again."""
        following = self.resume(stopped)
        return following if following is None else self._look_back.start(following - 1)

    def _replay(self, record: Record) -> None:
        if isinstance(record, JournalHead):
            self._take_head(record)
        elif isinstance(record, JournalFrame):
            stage = self._ready_stage()
            stage.repeat_requests(record)
            self._store(stage.advance(record))
            self._look_back.add(record)
            self.counters.frame(record.frame_index, stage.people, here=False)
        elif isinstance(record, JournalSkip):
            self.counters.frame(record.frame_index, 0, here=False)
        elif isinstance(record, JournalBreak):
            self._close_stage()
            self._look_back.clear()
            self._breaks += 1
        else:
            self._close_stage()
            self.counters.finish("finished")

    def begin(self, frame: Frame, fps: float, frames_total: int | None, source: str) -> None:
        """Get ready for the frame: the first one says what the camera looks like."""
        height, width = frame.image_bgr.shape[:2]
        head = self._head
        if head is not None and self._journal is None and head.frame_size_wh != (width, height):
            self._close_stage()
            self._live_since = time.time_ns()
            head = None
        if head is None:
            head = JournalHead(
                run_uuid=self._run_uuid,
                camera=self.camera.id,
                source=source,
                frame_size_wh=(width, height),
                fps=fps if fps > 0 else NOMINAL_FPS,
                frames_total=frames_total,
                fingerprint=self._stages.embedder.fingerprint,
            )
            self._take_head(head)
            if self._journal is not None:
                self._journal.append(head)
        self._ready_stage()
        self.counters.opened(frames_total)

    def wants(self, frame: Frame) -> bool:
        """Whether the gate lets the frame through to the detector."""
        if self._look_back.covers(frame):
            return False
        if self._gate is None:
            return True
        with self.clock.measure("gate"):
            return self._gate.should_detect(frame, self.has_live_tracks)

    def skip(self, frame: Frame) -> None:
        """Count a frame that `wants` kept back, unless it is only read again."""
        if self._look_back.covers(frame):
            with self.clock.measure("track"):
                self._look_back.show(frame, self._ready_stage())
            return
        if self._journal is not None:
            with self.clock.measure("store"):
                self._journal.append(JournalSkip(frame.index))
        people = self._stage.people if self._stage is not None else 0
        self.counters.frame(frame.index, people)

    def prepare(self, frame: Frame, found: Detections) -> Prepared:
        """First half of the step: what must be embedded?"""
        with self.clock.measure("track"):
            return self._ready_stage().prepare(frame, found)

    def complete(self, prepared: Prepared, embeddings: Embeddings | None) -> None:
        """Second half: journal, track, spool what was closed."""
        stage = self._ready_stage()
        with self.clock.measure("track"):
            seen = stage.observe(prepared, embeddings)
        if self._journal is not None:
            with self.clock.measure("store"):
                self._journal.append(seen)
        with self.clock.measure("track"):
            tracklets = stage.advance(seen)
        self._store(tracklets)
        self.counters.frame(seen.frame_index, stage.people)

    def end(self) -> None:
        """The recording is over: close all tracks, mark the camera as finished."""
        self._close_stage()
        if self._journal is not None:
            done = self.counters.progress
            self._journal.append(JournalEnd(done.frames, done.tracklets, done.position))
            self._journal.flush(sync=True)
            self._journal.close()
        self.counters.finish("finished")

    def stop(self, state: CameraState = "stopped") -> None:
        """Asked to stop, or the source failed: close all tracks so that they are searchable.

        If the journal was still being replayed, nothing is closed; the next resume does it.
        """
        if self._replaying:
            self.abandon(state)
            return
        if self._journal is not None:
            if self._stage is not None:
                self._journal.append(JournalBreak())
                self._breaks += 1
            self._journal.flush(sync=True)
        self._close_stage()
        if self._journal is not None:
            self._journal.close()
        self.counters.finish(state)

    def abandon(self, state: CameraState = "stopped") -> None:
        """The supervisor is gone: keep everything for `--resume`.

        Tracks of a recording stay open, the journal holds them; those of a live camera are closed.
        """
        if self._journal is None:
            self._close_stage()
        else:
            self._journal.close()
        self.counters.finish(state)

    def _take_head(self, head: JournalHead) -> None:
        fingerprint = self._stages.embedder.fingerprint
        if head.fingerprint != fingerprint:
            raise SourceError(
                self.camera.id,
                self.camera.display_url,
                "the run began with another embedder "
                f"({head.fingerprint}, now {fingerprint}); start a new run",
            )
        self._head = head
        self.counters.opened(head.frames_total)

    def _ready_stage(self) -> CameraStage:
        if self._stage is None:
            head = self._head
            if head is None:
                raise RuntimeError(f"camera {self.camera.id}: no frame has been announced")
            facts = CameraFacts(
                head.run_uuid,
                head.camera,
                head.source,
                head.frame_size_wh,
                head.fps,
                head.fingerprint,
            )
            tracker = self._stages.make_tracker(self.camera, head.fps, head.frame_size_wh)
            recording = self._files.journal is not None
            session = str(self._breaks) if recording else f"live-{self._live_since}"
            self._stage = CameraStage(
                facts,
                tracker,
                session,
                self.camera.ignore_zones,
                self._stages.make_camera_motion(self.camera),
            )
        return self._stage

    def _close_stage(self) -> None:
        if self._stage is not None:
            with self.clock.measure("track"):
                tracklets = self._stage.close()
            self._stage = None
            self._store(tracklets)

    def _store(self, tracklets: Sequence[Tracklet]) -> None:
        if not tracklets:
            return
        with self.clock.measure("store"):
            if self._journal is not None:
                self._journal.flush()
            for tracklet in tracklets:
                self._files.spool.put(tracklet.uuid, encode_tracklet(tracklet))
        self.counters.tracklets(len(tracklets))
