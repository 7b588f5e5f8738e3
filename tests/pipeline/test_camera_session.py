"""A camera's life in one process: first pass, kill, replay, stop, failure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.camera_session import CameraSession, SessionFiles
from pipeline.config import CameraConfig, RunConfig
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.journal import Journal, read_records
from pipeline.journal_records import JournalBreak, JournalEnd, JournalSkip
from pipeline.spool import Spool
from pipeline.stage_types import Stages
from pipeline.wire import decode_tracklet
from storage.tracklets import Tracklet
from tests.pipeline.fake_stages import build
from tests.pipeline.made_video import make_config
from tests.pipeline.test_camera_stage import frame

RUN = str(uuid4())
FRAMES = 40


@dataclass
class Bench:
    """A camera with its files; `session()` is a new process, so to speak."""

    folder: Path
    config: RunConfig
    live: bool = False

    @property
    def camera(self) -> CameraConfig:
        return self.config.cameras[0]

    @property
    def journal(self) -> Path:
        return self.folder / "cam0.xwj"

    def session(self, stages: Stages | None = None) -> CameraSession:
        files = SessionFiles(Spool(self.folder / "spool"), None if self.live else self.journal)
        return CameraSession(self.camera, RUN, stages or build(self.config), files)

    def spooled(self) -> dict[str, list[list[float]]]:
        spool = Spool(self.folder / "spool")
        return {one.uuid: one.boxes_xyxy.tolist() for one in self.tracklets(spool)}

    def tracklets(self, spool: Spool | None = None) -> list[Tracklet]:
        spool = spool or Spool(self.folder / "spool")
        return [decode_tracklet(spool.get(name) or b"") for name in spool.pending()]


def feed(session: CameraSession, config: RunConfig, first: int, last: int) -> None:
    stages = build(config)
    for index in range(first, last):
        process(session, stages, frame(index, FRAMES))


def process(session: CameraSession, stages: Stages, now: Frame) -> None:
    session.begin(now, 10.0, FRAMES, "/videos/cam0.avi")
    if not session.wants(now):
        session.skip(now)
        return
    (found,) = stages.detector.detect([now.image_bgr])
    prepared = session.prepare(now, found)
    embeddings = stages.embedder.embed(prepared.crops_bgr) if prepared.crops_bgr else None
    session.complete(prepared, embeddings)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return make_config(tmp_path_factory.mktemp("videos"), cameras=1, frames=FRAMES)


@pytest.fixture
def bench(tmp_path: Path, config: RunConfig) -> Bench:
    return Bench(tmp_path, config)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> dict[str, list]:
    """What one undisturbed pass gives."""
    bench = Bench(tmp_path_factory.mktemp("whole"), config)
    session = bench.session()
    assert session.resume() == 0
    feed(session, config, 0, FRAMES)
    session.end()
    return bench.spooled()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, FRAMES), st.randoms(use_true_random=False))
def test_killed_anywhere_and_resumed_gives_the_same_tracklets(
    tmp_path_factory: pytest.TempPathFactory,
    config: RunConfig,
    whole: dict[str, list],
    killed_at: int,
    chance: random.Random,
) -> None:
    bench = Bench(tmp_path_factory.mktemp("killed"), config)
    session = bench.session()
    session.resume()
    feed(session, config, 0, killed_at)
    session._journal.flush()  # type: ignore[union-attr]
    reached_the_disk = chance.randint(0, bench.journal.stat().st_size)
    bench.journal.write_bytes(bench.journal.read_bytes()[:reached_the_disk])
    again = bench.session()
    start = again.resume()
    assert start is not None
    assert 0 <= start <= killed_at
    feed(again, config, start, FRAMES)
    again.end()
    assert bench.spooled() == whole
    assert again.counters.progress.frames == FRAMES
    assert again.counters.progress.tracklets == len(whole)
    assert again.counters.progress.frames_here == FRAMES - start


def test_a_journal_holds_everything_before_a_tracklet_is_spooled(
    bench: Bench, config: RunConfig
) -> None:
    session = bench.session()
    session.resume()
    for index in range(FRAMES):
        before = len(Spool(bench.folder / "spool"))
        feed(session, config, index, index + 1)
        if len(Spool(bench.folder / "spool")) > before:
            assert [seen.frame_index for seen in Journal.read(bench.journal)][-1] == index


def test_a_stop_closes_tracks_and_the_next_ones_do_not_collide(
    bench: Bench, config: RunConfig
) -> None:
    session = bench.session()
    session.resume()
    feed(session, config, 0, 15)
    session.stop()
    assert session.counters.progress.state == "stopped"
    before = bench.spooled()
    assert sum(len(boxes) for boxes in before.values()) >= 15
    assert isinstance(list(read_records(bench.journal))[-1], JournalBreak)
    again = bench.session()
    assert again.resume() == 15
    feed(again, config, 15, FRAMES)
    again.end()
    after = bench.spooled()
    assert before.items() <= after.items()
    seen = [
        (one.frame_indices[k], *box)
        for one in bench.tracklets()
        for k, box in enumerate(one.boxes_xyxy.tolist())
    ]
    assert len(seen) == len(set(seen))
    third = bench.session()
    assert third.resume() is None
    assert bench.spooled() == after


def test_a_finished_camera_is_skipped_with_its_numbers(bench: Bench, config: RunConfig) -> None:
    session = bench.session()
    session.resume()
    feed(session, config, 0, FRAMES)
    session.end()
    assert isinstance(list(read_records(bench.journal))[-1], JournalEnd)
    again = bench.session()
    assert again.resume() is None
    progress = again.counters.report(0)
    assert (progress.state, progress.frames, progress.frames_here) == ("finished", FRAMES, 0)
    assert progress.tracklets == session.counters.progress.tracklets
    assert progress.frames_total == FRAMES


def test_a_stopped_replay_changes_nothing(bench: Bench, config: RunConfig) -> None:
    session = bench.session()
    session.resume()
    feed(session, config, 0, 20)
    session._journal.flush()  # type: ignore[union-attr]
    before = bench.journal.read_bytes()
    again = bench.session()
    answers = iter([False] * 5 + [True])
    assert again.resume(lambda: next(answers)) is None
    again.stop()
    assert again.counters.progress.state == "stopped"
    assert bench.journal.read_bytes() == before


def test_an_orphaned_recording_keeps_its_tracks_open(bench: Bench, config: RunConfig) -> None:
    session = bench.session()
    session.resume()
    feed(session, config, 0, 5)
    session.abandon()
    assert bench.spooled() == {}
    assert not any(isinstance(record, JournalBreak) for record in read_records(bench.journal))


def test_a_live_camera_has_no_journal_and_closes_its_tracks(
    bench: Bench, config: RunConfig
) -> None:
    bench.live = True
    names = []
    for _ in range(2):
        session = bench.session()
        assert session.resume() == 0
        feed(session, config, 0, 5)
        session.abandon()
        names.append(set(bench.spooled()))
    assert not bench.journal.exists()
    assert len(names[1]) == 2 * len(names[0]) == 2, "a restart must not reuse uuids"


def test_a_live_camera_that_changes_its_size_starts_new_tracks(
    bench: Bench, config: RunConfig
) -> None:
    bench.live = True
    session = bench.session()
    feed(session, config, 0, 5)
    now = frame(5, FRAMES)
    smaller = Frame(now.camera, 5, now.time_utc, now.image_bgr[:100, :150].copy(), now.offset_s)
    process(session, build(config), smaller)
    session.stop()
    sizes = {one.frame_size_wh for one in bench.tracklets()}
    assert sizes == {(160, 120), (150, 100)}


def test_another_embedder_is_refused_and_the_journal_is_kept(
    bench: Bench, config: RunConfig
) -> None:
    session = bench.session()
    session.resume()
    feed(session, config, 0, 5)
    session.abandon()
    before = bench.journal.read_bytes()
    stages = build(config)
    stages.embedder.fingerprint = "new weights"  # type: ignore[misc]
    again = bench.session(stages)
    with pytest.raises(SourceError, match="another embedder"):
        again.resume()
    again.stop("failed")
    assert again.counters.progress.state == "failed"
    assert bench.journal.read_bytes() == before


def test_frames_that_the_gate_skips_count_and_are_not_read_again(tmp_path: Path) -> None:
    config = make_config(tmp_path, 1, FRAMES, detector={"skip_empty": True})
    bench = Bench(tmp_path, config)
    session = bench.session()
    session.resume()
    stages = build(config)
    black = frame(0, FRAMES).image_bgr * 0
    for index in range(6):
        now = frame(index, FRAMES)
        image = now.image_bgr if index > 2 else black
        process(session, stages, Frame(now.camera, index, now.time_utc, image, now.offset_s))
    session.abandon()
    skipped = [one for one in read_records(bench.journal) if isinstance(one, JournalSkip)]
    assert [one.frame_index for one in skipped] == [0, 1, 2]
    assert session.counters.progress.frames == 6
    assert "gate" in session.clock.seconds()
    again = bench.session()
    assert again.resume() == 6
    assert again.counters.progress.frames == 6


def test_a_recording_without_frames_ends_well(bench: Bench) -> None:
    session = bench.session()
    assert session.resume() == 0
    session.end()
    assert bench.session().resume() is None


def test_work_before_the_first_frame_is_a_programming_error(
    bench: Bench, config: RunConfig
) -> None:
    session = bench.session()
    stages = build(config)
    now = frame(0, FRAMES)
    (found,) = stages.detector.detect([now.image_bgr])
    with pytest.raises(RuntimeError, match="no frame"):
        session.prepare(now, found)
