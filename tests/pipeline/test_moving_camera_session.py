"""A recording by a camera that moves: what the journal keeps, and runs that are taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest

from pipeline.camera_session import CameraSession, SessionFiles
from pipeline.config import RunConfig
from pipeline.frames import Frame
from pipeline.journal import Journal, read_records
from pipeline.journal_records import JournalBreak, JournalSkip
from pipeline.spool import Spool
from pipeline.stage_types import Stages
from pipeline.wire import decode_tracklet
from tests.pipeline.fake_stages import ColourEmbedder, build
from tests.pipeline.made_video import make_config
from trackers.camera_motion import CameraMotion, CameraMotionConfig
from trackers.detections import Detections
from trackers.presets import build_tracker
from trackers.staged import StagedTracker

RUN = str(uuid4())
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
FRAMES, FPS = 44, 10.0
PAN = range(14, 22)
"""The camera moves by 3 pixels in each of these frames."""


def camera_x(index: int) -> int:
    return 3 * sum(index >= moving for moving in PAN)


def wall() -> np.ndarray:
    rng = np.random.default_rng(0)
    total = sum(
        cv2.GaussianBlur(rng.standard_normal((120, 400)), (0, 0), sigma) * sigma
        for sigma in (2.0, 5.0)
    )
    grey = np.clip(40 + 50 * total, 0, 90).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


WALL = wall()


class Film:
    """The recording: two people who walk towards each other before a wall."""

    @staticmethod
    def people(index: int) -> np.ndarray:
        lefts = np.array([30 + index, 110 - index]) + camera_x(index)
        return np.stack([[x, y, x + 20, y + 50] for x, y in zip(lefts, (20, 60), strict=True)])

    @classmethod
    def frame(cls, index: int) -> Frame:
        image = WALL[:, 100 - camera_x(index) : 260 - camera_x(index)].copy()
        for box, colour in zip(cls.people(index), ((250, 60, 60), (60, 250, 60)), strict=True):
            left, top, right, bottom = box.tolist()
            image[top:bottom, left:right] = colour
        time = START + timedelta(seconds=index / FPS)
        return Frame("cam0", index, time, image, index / FPS)

    @classmethod
    def detections(cls, index: int) -> Detections:
        return Detections(cls.people(index).astype(np.float32), np.full(2, 0.9, np.float32))


class WatchfulTracker(StagedTracker):
    """Writes down the motions that it is told."""

    told: list[np.ndarray | None]

    def update(self, frame_index, time_s, detections, embeddings, rows, camera_motion=None):  # type: ignore[no-untyped-def,override]
        self.told = [*getattr(self, "told", []), camera_motion]
        return super().update(frame_index, time_s, detections, embeddings, rows, camera_motion)


class Bench:
    """Files of one camera; `session()` is a new process, so to speak."""

    def __init__(self, folder: Path, config: RunConfig, *, motion: bool = True) -> None:
        self.folder, self.config, self.motion = folder, config, motion
        self.journal = folder / "cam0.xwj"
        self.trackers: list[WatchfulTracker] = []

    def stages(self) -> Stages:
        def tracker(*_: object) -> WatchfulTracker:
            self.trackers.append(WatchfulTracker(build_tracker("crosswalk").config))
            return self.trackers[-1]

        return replace(
            build(self.config),
            make_tracker=tracker,
            make_camera_motion=lambda _: (
                CameraMotion(CameraMotionConfig(hold_s=0.8)) if self.motion else None
            ),
        )

    def session(self) -> CameraSession:
        files = SessionFiles(Spool(self.folder / "spool"), self.journal)
        return CameraSession(self.config.cameras[0], RUN, self.stages(), files)

    def tracklets(self) -> dict[str, list[list[float]]]:
        spool = Spool(self.folder / "spool")
        found = [decode_tracklet(spool.get(name) or b"") for name in spool.pending()]
        return {one.uuid: one.boxes_xyxy.tolist() for one in found}

    def motions(self) -> list[list[list[float]] | None]:
        seen = [frame.camera_motion for frame in Journal.read(self.journal)]
        return [None if motion is None else motion.tolist() for motion in seen]


def feed(session: CameraSession, indices: range) -> Iterator[int]:
    """Show frames as the worker does; yields those that were not only read again."""
    embedder = ColourEmbedder()
    for index in indices:
        now = Film.frame(index)
        session.begin(now, FPS, FRAMES, "/videos/cam0.avi")
        if not session.wants(now):
            session.skip(now)
            continue
        prepared = session.prepare(now, Film.detections(index))
        crops = prepared.crops_bgr
        session.complete(prepared, embedder.embed(crops) if crops else None)
        yield index


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return make_config(tmp_path_factory.mktemp("videos"), cameras=1, frames=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> Bench:
    """One undisturbed pass."""
    bench = Bench(tmp_path_factory.mktemp("whole"), config)
    session = bench.session()
    assert session.start_frame() == 0
    assert list(feed(session, range(FRAMES))) == list(range(FRAMES))
    session.end()
    return bench


def test_the_tracker_is_told_how_the_camera_moved_and_the_journal_keeps_it(whole: Bench) -> None:
    told = whole.trackers[0].told
    assert whole.motions() == [None if motion is None else motion.tolist() for motion in told]
    assert all(motion is None for motion in told[:14])
    np.testing.assert_allclose(told[21], [[1, 0, 3], [0, 1, 0]], atol=0.4)
    assert all(motion is None for motion in told[39:])
    assert len(whole.tracklets()) == 2


@pytest.mark.parametrize("kept", [1, 7, 12, 16, 19, 23, 28, 35, 43])
def test_killed_anywhere_and_resumed_the_camera_moves_as_before(
    tmp_path: Path, config: RunConfig, whole: Bench, kept: int
) -> None:
    bench = Bench(tmp_path, config)
    session = bench.session()
    session.start_frame()
    assert len(list(feed(session, range(kept)))) == kept
    session.abandon()
    again = bench.session()
    start = again.start_frame()
    assert start is not None
    assert kept - 12 <= start < kept, "about a second is read again"
    assert list(feed(again, range(start, FRAMES))) == list(range(kept, FRAMES))
    again.end()
    assert again.counters.progress.frames == FRAMES
    assert again.counters.progress.frames_here == FRAMES - kept
    assert not any(isinstance(record, JournalSkip) for record in read_records(bench.journal))
    assert bench.motions() == whole.motions()
    assert bench.tracklets() == whole.tracklets()


def test_killed_again_while_frames_are_read_again_changes_nothing(
    tmp_path: Path, config: RunConfig, whole: Bench
) -> None:
    bench = Bench(tmp_path, config)
    session = bench.session()
    session.start_frame()
    list(feed(session, range(18)))
    session.abandon()
    before = bench.journal.read_bytes()
    second = bench.session()
    start = second.start_frame()
    assert start is not None
    assert list(feed(second, range(start, 17))) == []
    second.abandon()
    assert bench.journal.read_bytes() == before
    third = bench.session()
    assert third.start_frame() == start
    list(feed(third, range(start, FRAMES)))
    third.end()
    assert bench.tracklets() == whole.tracklets()


def test_after_a_stop_nothing_is_read_again(tmp_path: Path, config: RunConfig) -> None:
    bench = Bench(tmp_path, config)
    session = bench.session()
    session.start_frame()
    list(feed(session, range(18)))
    session.stop()
    assert isinstance(list(read_records(bench.journal))[-1], JournalBreak)
    again = bench.session()
    assert again.start_frame() == 18
    assert list(feed(again, range(18, 20))) == [18, 19]


def test_without_the_measurement_nothing_is_told_kept_or_read_again(
    tmp_path: Path, config: RunConfig
) -> None:
    bench = Bench(tmp_path, config, motion=False)
    session = bench.session()
    session.start_frame()
    list(feed(session, range(24)))
    session.abandon()
    assert bench.motions() == bench.trackers[0].told == [None] * 24
    assert bench.session().start_frame() == 24


def test_a_journal_of_before_is_resumed_and_the_measurement_begins(
    tmp_path: Path, config: RunConfig
) -> None:
    old = Bench(tmp_path, config, motion=False)
    session = old.session()
    session.start_frame()
    list(feed(session, range(13)))
    session.abandon()
    new = Bench(tmp_path, config)
    again = new.session()
    assert again.start_frame() == 13
    list(feed(again, range(13, FRAMES)))
    again.end()
    motions = new.motions()
    assert motions[:14] == [None] * 14
    assert motions[15] is not None
    np.testing.assert_allclose(motions[15], [[1, 0, 3], [0, 1, 0]], atol=0.4)


def test_a_finished_or_stopped_replay_has_no_start_frame(whole: Bench) -> None:
    assert whole.session().start_frame() is None
    assert whole.session().start_frame(lambda: True) is None
