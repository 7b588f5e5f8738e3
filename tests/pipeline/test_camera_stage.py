from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import numpy as np
import pytest

from pipeline.camera_stage import CameraFacts, CameraStage, drop_ignored
from pipeline.frames import Frame
from pipeline.journal_records import pack_record, unpack_record
from pipeline.wire import round_features
from storage.tracklets import Tracklet
from tests.pipeline.fake_stages import (
    FINGERPRINT,
    ColourEmbedder,
    ColourTracker,
    RectangleDetector,
)
from tests.pipeline.made_video import FPS, HEIGHT, WIDTH, picture
from trackers.detections import Detections

RUN = str(uuid4())
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
FACTS = CameraFacts(RUN, "door", "/videos/door.avi", (WIDTH, HEIGHT), FPS, FINGERPRINT)


def frame(index: int, frames: int = 40) -> Frame:
    offset_s = index / FPS
    time = START + timedelta(seconds=offset_s)
    return Frame("door", index, time, picture(index, frames), offset_s)


def process(stage: CameraStage, index: int) -> list[Tracklet]:
    now = frame(index)
    (found,) = RectangleDetector().detect([now.image_bgr])
    prepared = stage.prepare(now, found)
    embeddings = ColourEmbedder().embed(prepared.crops_bgr) if prepared.crops_bgr else None
    return stage.advance(stage.observe(prepared, embeddings))


def all_tracklets(session: str = "0") -> list[Tracklet]:
    stage = CameraStage(FACTS, ColourTracker(), session)
    closed = [tracklet for index in range(40) for tracklet in process(stage, index)]
    return closed + stage.close()


def test_tracklets_say_where_and_when() -> None:
    tracklets = all_tracklets()
    assert len({one.track_uuid for one in tracklets}) == 4
    for one in tracklets:
        assert (one.camera, one.source, one.fingerprint) == ("door", FACTS.source, FINGERPRINT)
        assert (one.frame_size_wh, one.source_fps) == ((WIDTH, HEIGHT), FPS)
        np.testing.assert_allclose(
            one.times_s, START.timestamp() + one.frame_indices / FPS, atol=1e-5
        )
        assert one.source_offset_s == pytest.approx(one.frame_indices[0] / FPS, abs=1e-5)


def test_exemplars_show_the_person_of_the_tracklet() -> None:
    for one in all_tracklets():
        assert 1 <= len(one.exemplars) <= 4
        assert one.exemplars[0].quality == max(exemplar.quality for exemplar in one.exemplars)
        features = np.stack([exemplar.global_feature for exemplar in one.exemplars])
        assert (features @ features.T > 0.98).all()
        for exemplar in one.exemplars:
            assert exemplar.crop_jpeg.startswith(b"\xff\xd8")
            assert exemplar.frame_index in one.frame_indices


def test_uuids_depend_on_run_camera_session_track_and_piece_only() -> None:
    first, second = all_tracklets(), all_tracklets()
    assert [one.uuid for one in first] == [one.uuid for one in second]
    assert len({one.uuid for one in first}) == len(first)
    assert str(uuid5(UUID(RUN), "door/0/0/0")) in {one.uuid for one in first}
    other = {one.uuid for one in all_tracklets("1")}
    assert other.isdisjoint(one.uuid for one in first)


def test_a_replay_from_packed_records_gives_the_same_tracklets() -> None:
    live, replayed = CameraStage(FACTS, ColourTracker()), CameraStage(FACTS, ColourTracker())
    for index in range(40):
        now = frame(index)
        (found,) = RectangleDetector().detect([now.image_bgr])
        prepared = live.prepare(now, found)
        embeddings = ColourEmbedder().embed(prepared.crops_bgr) if prepared.crops_bgr else None
        seen = live.observe(prepared, embeddings)
        again = unpack_record(pack_record(seen))
        replayed.repeat_requests(again)  # type: ignore[arg-type]
        ours, theirs = live.advance(seen), replayed.advance(again)  # type: ignore[arg-type]
        assert [one.uuid for one in ours] == [one.uuid for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
            assert [e.crop_jpeg for e in one.exemplars] == [e.crop_jpeg for e in other.exemplars]


def test_the_tracker_sees_features_in_half_precision() -> None:
    stage = CameraStage(FACTS, ColourTracker())
    now = frame(5)
    (found,) = RectangleDetector().detect([now.image_bgr])
    prepared = stage.prepare(now, found)
    raw = ColourEmbedder().embed(prepared.crops_bgr)
    seen = stage.observe(prepared, raw)
    assert seen.embeddings is not None
    np.testing.assert_array_equal(
        seen.embeddings.global_features, round_features(raw.global_features)
    )


def test_degenerate_boxes_are_tracked_but_not_embedded() -> None:
    stage = CameraStage(FACTS, ColourTracker())
    boxes = np.array([[10, 10, 30, 60], [-30, 10, -2, 60], [50, 10, 52, 60]], np.float32)
    prepared = stage.prepare(frame(0), Detections(boxes, np.ones(3, np.float32)))
    assert prepared.rows.tolist() == [0]
    assert prepared.crops_bgr[0].shape == (50, 20, 3)
    assert len(prepared.detections) == 3


def test_people_in_view_are_counted() -> None:
    stage = CameraStage(FACTS, ColourTracker())
    process(stage, 0)
    assert stage.people == 1
    assert stage.has_live_tracks()
    stage.close()
    assert stage.people == 0
    assert not stage.has_live_tracks()


LEFT_HALF = np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1]], np.float32)
LOWER_EDGE = np.array([[0, 0.9], [1, 0.9], [1, 1], [0, 1]], np.float32)


@pytest.mark.parametrize(
    ("zones", "kept"),
    [
        ([], [0, 1, 2]),
        ([LEFT_HALF], [1, 2]),
        ([LOWER_EDGE], [0, 1]),
        ([LEFT_HALF, LOWER_EDGE], [1]),
    ],
)
def test_people_who_stand_in_an_ignore_zone_are_dropped(
    zones: list[np.ndarray], kept: list[int]
) -> None:
    boxes = np.array(
        [[10, 10, 40, 50], [60, 10, 120, 50], [100, 60, 140, 130]],
        np.float32,
    )
    scores = np.array([0.5, 0.6, 0.7], np.float32)
    left = drop_ignored(Detections(boxes, scores), zones, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(left.boxes_xyxy, boxes[kept])
    np.testing.assert_array_equal(left.scores, scores[kept])


def test_ignoring_everybody_leaves_well_formed_detections() -> None:
    everywhere = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    boxes = np.array([[10, 10, 40, 50]], np.float32)
    left = drop_ignored(Detections(boxes, np.ones(1, np.float32)), [everywhere], (WIDTH, HEIGHT))
    assert left.boxes_xyxy.shape == (0, 4)
    nobody = drop_ignored(Detections.empty(), [everywhere], (WIDTH, HEIGHT))
    assert len(nobody) == 0
