from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.journal import Journal, read_head, read_records
from pipeline.journal_records import (
    JournalBreak,
    JournalEnd,
    JournalFrame,
    JournalHead,
    JournalSkip,
    Record,
    pack_record,
    unpack_record,
)
from pipeline.wire import WireError
from tests.pipeline import fabricate
from trackers.camera_motion import MotionState
from trackers.detections import Detections

HEAD = JournalHead("run", "door", "/videos/door.mp4", (640, 480), 25.0, 100, "prints")


def frame(index: int, people: int = 2, embedded: int = 1) -> JournalFrame:
    rng = np.random.default_rng(index)
    boxes = rng.uniform(0, 100, (people, 4)).astype(np.float32)
    return JournalFrame(
        frame_index=index,
        time_s=1.7e9 + index / 25,
        offset_s=index / 25,
        detections=Detections(boxes, rng.uniform(0, 1, people).astype(np.float32)),
        embedded_rows=np.arange(embedded, dtype=np.int64),
        embeddings=fabricate.embeddings(embedded, index) if embedded else None,
        crops_jpeg=tuple(fabricate.jpeg(row) for row in range(embedded)),
        qualities=rng.uniform(0, 1, embedded).astype(np.float32),
    )


def assert_same(one: Record, other: Record) -> None:
    assert type(one) is type(other)
    if not isinstance(one, JournalFrame):
        assert one == other
        return
    assert isinstance(other, JournalFrame)
    assert (one.frame_index, one.time_s, one.offset_s) == (
        other.frame_index,
        other.time_s,
        other.offset_s,
    )
    np.testing.assert_array_equal(one.detections.boxes_xyxy, other.detections.boxes_xyxy)
    np.testing.assert_array_equal(one.detections.scores, other.detections.scores)
    np.testing.assert_array_equal(one.embedded_rows, other.embedded_rows)
    np.testing.assert_array_equal(one.qualities, other.qualities)
    assert one.crops_jpeg == other.crops_jpeg
    assert one.motion_look == other.motion_look
    assert (one.camera_motion is None) == (other.camera_motion is None)
    if one.camera_motion is not None and other.camera_motion is not None:
        assert one.camera_motion.dtype == np.float64
        np.testing.assert_array_equal(one.camera_motion, other.camera_motion)
    assert (one.embeddings is None) == (other.embeddings is None)
    if one.embeddings is not None and other.embeddings is not None:
        assert one.embeddings.fingerprint == other.embeddings.fingerprint
        for name in ("global_features", "part_features", "part_visibility"):
            left, right = getattr(one.embeddings, name), getattr(other.embeddings, name)
            assert left.dtype == right.dtype == np.float32
            np.testing.assert_array_equal(left, right)


RECORDS: list[Record] = [
    HEAD,
    frame(0),
    JournalSkip(1),
    frame(2, people=0, embedded=0),
    frame(3, people=3, embedded=0),
    JournalBreak(),
    frame(4, people=5, embedded=5),
    JournalEnd(4, 2, 4),
]


MOTION = np.array([[1.01, -0.02, 1 / 3], [0.02, 1.01, -7.1]])


@pytest.mark.parametrize("motion", [None, MOTION], ids=["still", "moving"])
@pytest.mark.parametrize(
    "look", [None, MotionState(1.7e9 + 1 / 3, -np.inf)], ids=["between", "look"]
)
def test_a_frame_keeps_how_the_camera_moved(
    motion: np.ndarray | None, look: MotionState | None
) -> None:
    seen = replace(frame(7), camera_motion=motion, motion_look=look)
    assert_same(unpack_record(pack_record(seen)), seen)


def test_a_frame_of_before_the_camera_motion_is_still_read() -> None:
    """The same bytes as then: a still camera between looks adds no field."""
    name, fields = msgpack.unpackb(pack_record(frame(3)), raw=False)
    assert name == "frame"
    assert set(fields) == {
        "index", "time_s", "offset_s", "boxes", "scores", "rows", "global", "parts",
        "visibility", "fingerprint", "crops", "qualities",
    }  # fmt: skip
    found = unpack_record(msgpack.packb([name, fields], use_bin_type=True))
    assert isinstance(found, JournalFrame)
    assert found.camera_motion is None
    assert found.motion_look is None


def write(path: Path, records: list[Record]) -> Path:
    journal = Journal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return path


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_survives_packing(record: Record) -> None:
    assert_same(unpack_record(pack_record(record)), record)


def test_records_come_back_in_order_and_a_reopened_journal_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "deep" / "a.xwj", RECORDS[:3])
    write(path, RECORDS[3:])
    found = list(read_records(path))
    assert len(found) == len(RECORDS)
    for one, other in zip(found, RECORDS, strict=True):
        assert_same(one, other)


def test_only_frames_are_replayed_by_the_public_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xwj", RECORDS)
    assert [seen.frame_index for seen in Journal.read(path)] == [0, 2, 3, 4]


def test_the_head_says_which_camera_it_is(tmp_path: Path) -> None:
    assert read_head(tmp_path / "none.xwj") is None
    assert read_head(write(tmp_path / "empty.xwj", [])) is None
    assert read_head(write(tmp_path / "a.xwj", RECORDS)) == HEAD


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_torn_tail_is_cut_and_everything_before_it_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("torn") / "a.xwj", RECORDS)
    whole = path.read_bytes()
    ends = [len(whole) - sum(8 + len(pack_record(r)) for r in RECORDS[k:]) for k in range(9)]
    keep = data.draw(st.integers(0, len(whole)), "bytes that reached the disk")
    path.write_bytes(whole[:keep] + data.draw(st.binary(max_size=12), "garbage"))
    expected = sum(end <= keep for end in ends[1:])
    journal = Journal(path)
    journal.append(JournalSkip(99))
    journal.close()
    found = list(read_records(path))
    assert found[-1] == JournalSkip(99)
    assert len(found) == expected + 1
    for one, other in zip(found[:expected], RECORDS, strict=False):
        assert_same(one, other)


def test_cutting_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.xwj", RECORDS)
    path.write_bytes(path.read_bytes()[:-3])
    with caplog.at_level(logging.WARNING):
        Journal(path).close()
    assert "torn tail" in caplog.text
    assert not any(isinstance(record, JournalEnd) for record in read_records(path))


def test_a_flipped_byte_ends_the_journal_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xwj", RECORDS)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(bytes(damaged))
    assert 0 < len(list(read_records(path))) < len(RECORDS)


def test_a_file_that_is_no_journal_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.xwj"
    path.write_bytes(b"something else entirely")
    with pytest.raises(WireError, match="not a journal"):
        list(read_records(path))
    with caplog.at_level(logging.WARNING):
        Journal(path).close()
    assert (tmp_path / "a.xwj.bad").read_bytes() == b"something else entirely"
    assert "begins anew" in caplog.text
    assert list(read_records(path)) == []


def test_records_reach_the_system_when_flushed_or_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "a.xwj"
    journal = Journal(path, flush_every_s=0.1)
    journal.append(HEAD)
    assert path.stat().st_size == 0
    journal.flush(sync=True)
    assert list(read_records(path)) == [HEAD]
    time.sleep(0.11)
    journal.append(JournalSkip(1))
    assert len(list(read_records(path))) == 2
    journal.close()
    journal.close()


@pytest.mark.parametrize("data", [b"", b"\x93abc", pack_record(HEAD)[:-2], b"\xc0"])
def test_noise_is_no_record(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack_record(data)
