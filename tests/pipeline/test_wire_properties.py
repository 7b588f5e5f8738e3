"""Whatever arrives is a message or a WireError, and whatever is sent comes back the same."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.heartbeat import CameraProgress, Heartbeat
from pipeline.journal_records import (
    JournalBreak,
    JournalEnd,
    JournalFrame,
    JournalHead,
    JournalSkip,
    pack_record,
    unpack_record,
)
from pipeline.wire import (
    WireError,
    decode_heartbeat,
    decode_tracklet,
    encode_heartbeat,
    encode_tracklet,
    frame_message,
    is_intact,
    open_message,
    pack_array,
    round_features,
    unpack_array,
)
from reid.embeddings import Embeddings
from tests.pipeline import fabricate
from trackers.detections import Detections

TRACKLET, HEARTBEAT = 1, 2
counts = st.integers(0, 2**40)
seconds = st.floats(0, 4e9)
words = st.text(max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)

progress = st.builds(
    CameraProgress,
    camera=words,
    state=st.sampled_from(["waiting", "running", "finished", "stopped", "failed"]),
    live=st.booleans(),
    frames=counts,
    frames_here=counts,
    frames_total=st.none() | counts,
    position=st.integers(-1, 2**40),
    people=st.integers(0, 50),
    tracklets=counts,
    dropped=counts,
    wall_s=seconds,
    stage_s=st.dictionaries(words, seconds, max_size=3),
    warnings=st.lists(words, max_size=3).map(tuple),
)
heartbeats = st.builds(
    Heartbeat,
    worker=st.integers(0, 1024),
    pid=st.integers(1, 2**22),
    cameras=st.lists(progress, max_size=3).map(tuple),
    pending=counts,
    final=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(heartbeats)
def test_any_heartbeat_survives_the_wire(heartbeat: Heartbeat) -> None:
    assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat


@settings(max_examples=60, deadline=None)
@given(body=plain, kind=st.sampled_from([TRACKLET, HEARTBEAT]))
def test_an_intact_message_about_something_else_is_refused(body: Any, kind: int) -> None:
    message = frame_message(kind, body)
    assert is_intact(message)
    assert open_message(message, kind) == body
    with pytest.raises(WireError):
        (decode_tracklet if kind == TRACKLET else decode_heartbeat)(message)


def tracklet_body() -> dict[str, Any]:
    return open_message(encode_tracklet(fabricate.tracklet()), TRACKLET)  # type: ignore[no-any-return]


TEXTS = {"uuid", "track_uuid", "camera", "fingerprint", "source"}
"""Any value can be read as text."""


@pytest.mark.parametrize("field", sorted(tracklet_body().keys() - TEXTS))
@pytest.mark.parametrize("wrong", [None, 7, {"x": 1}, [[]]], ids=["nothing", "7", "group", "list"])
def test_every_field_of_a_tracklet_is_looked_at(field: str, wrong: Any) -> None:
    body = tracklet_body()
    if isinstance(body[field], float) and wrong == 7:
        wrong = "7 seconds"
    with pytest.raises(WireError):
        decode_tracklet(frame_message(TRACKLET, {**body, field: wrong}))


@pytest.mark.parametrize("field", sorted(tracklet_body()))
def test_no_field_of_a_tracklet_may_be_missing(field: str) -> None:
    body = tracklet_body()
    del body[field]
    with pytest.raises(WireError, match=field):
        decode_tracklet(frame_message(TRACKLET, body))


@pytest.mark.parametrize("field", ["camera", "frames", "stage_s", "warnings"])
def test_a_camera_of_a_heartbeat_has_only_fields_of_ours(field: str) -> None:
    good = open_message(encode_heartbeat(Heartbeat(0, 1, (CameraProgress("a"),))), HEARTBEAT)
    renamed = {(f"{key}_s" if key == field else key): v for key, v in good["cameras"][0].items()}
    with pytest.raises(WireError, match="not a heartbeat"):
        decode_heartbeat(frame_message(HEARTBEAT, {**good, "cameras": [renamed]}))


def wrapped(body: bytes) -> bytes:
    """A message by hand: magic, version, kind, checksum and whatever the body is."""
    return b"XW" + bytes([1, TRACKLET]) + zlib.crc32(body).to_bytes(4, "little") + body


def test_the_layout_of_a_message() -> None:
    body = tracklet_body()
    assert wrapped(msgpack.packb(body)) == frame_message(TRACKLET, body)


@pytest.mark.parametrize(
    "message",
    [
        wrapped(b""),
        wrapped(b"\xc1"),
        wrapped(msgpack.packb(tracklet_body()) + b"\x00"),
        frame_message(TRACKLET, {**tracklet_body(), "frames": ["<i8", [2**63], b""]}),
        frame_message(TRACKLET, {**tracklet_body(), "frames": ["<i8", [-3, -3], b""]}),
        pytest.param(
            frame_message(TRACKLET, {**tracklet_body(), "frame_size_wh": [float("inf"), 1]}),
        ),
        pytest.param(
            wrapped(b"\x81\x90\x01"),
        ),
    ],
    ids=["nothing", "no code", "a tail", "vast", "negative", "endless picture", "list as a key"],
)
def test_a_hostile_message_is_refused_like_any_other(message: bytes) -> None:
    """The hub answers a WireError with a refusal; anything else ends the hub."""
    assert is_intact(message)
    with pytest.raises(WireError):
        decode_tracklet(message)


shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<i8"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_arrays_of_any_shape_come_back_bit_for_bit(dtype: str, data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(np.dtype(dtype), shapes))
    found = unpack_array(msgpack.unpackb(msgpack.packb(pack_array(array, dtype))))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@given(hnp.arrays(np.float32, st.integers(0, 30), elements=st.floats(-1, 1, width=32)))
def test_rounding_moves_a_feature_by_half_a_thousandth_at_most(features: np.ndarray) -> None:
    rounded = round_features(features)
    assert rounded.dtype == np.float32
    assert np.abs(rounded - features).max(initial=0) <= 2**-11
    np.testing.assert_array_equal(round_features(rounded), rounded)


def test_a_repeated_encoding_is_the_same_bytes() -> None:
    """A replay after a crash must spool what was spooled before, to the last bit."""
    made = fabricate.tracklet("00000000-0000-4000-8000-000000000001")
    assert encode_tracklet(replace(made)) == encode_tracklet(made)


@st.composite
def journal_frames(draw: st.DrawFn) -> JournalFrame:
    people = draw(st.integers(0, 4))
    rows = sorted(draw(st.sets(st.integers(0, people - 1)))) if people else []
    seed = draw(st.integers(0, 2**31))
    pictures = st.binary(max_size=20)
    return JournalFrame(
        frame_index=draw(counts),
        time_s=draw(seconds),
        offset_s=draw(seconds),
        detections=Detections(
            draw(hnp.arrays(np.float32, (people, 4), elements=st.floats(-1e5, 1e5, width=32))),
            draw(hnp.arrays(np.float32, people, elements=st.floats(0, 1, width=32))),
        ),
        embedded_rows=np.array(rows, np.int64),
        embeddings=fabricate.embeddings(len(rows), seed) if rows else None,
        crops_jpeg=tuple(draw(pictures) for _ in rows),
        qualities=draw(hnp.arrays(np.float32, len(rows), elements=st.floats(0, 1, width=32))),
    )


def same_embeddings(one: Embeddings | None, other: Embeddings | None) -> bool:
    if one is None or other is None:
        return one is other
    names = ("global_features", "part_features", "part_visibility")
    return one.fingerprint == other.fingerprint and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


@settings(max_examples=40, deadline=None)
@given(journal_frames())
def test_any_frame_survives_the_journal(frame: JournalFrame) -> None:
    found = unpack_record(pack_record(frame))
    assert isinstance(found, JournalFrame)
    assert (found.frame_index, found.time_s) == (frame.frame_index, frame.time_s)
    assert found.offset_s == frame.offset_s
    assert found.crops_jpeg == frame.crops_jpeg
    for name in ("embedded_rows", "qualities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(frame, name))
    np.testing.assert_array_equal(found.detections.boxes_xyxy, frame.detections.boxes_xyxy)
    np.testing.assert_array_equal(found.detections.scores, frame.detections.scores)
    assert same_embeddings(found.embeddings, frame.embeddings)


@given(
    st.one_of(
        st.builds(
            JournalHead,
            run_uuid=words,
            camera=words,
            source=words,
            frame_size_wh=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
            fps=st.floats(0.1, 240),
            frames_total=st.none() | counts,
            fingerprint=words,
        ),
        st.builds(JournalSkip, counts),
        st.just(JournalBreak()),
        st.builds(JournalEnd, counts, counts, st.integers(-1, 2**40)),
    )
)
def test_any_other_record_survives_the_journal(record: Any) -> None:
    assert unpack_record(pack_record(record)) == record


@settings(max_examples=60, deadline=None)
@given(plain)
def test_any_other_value_is_no_record(value: Any) -> None:
    with pytest.raises(WireError):
        unpack_record(msgpack.packb(value))


@pytest.mark.parametrize("name", ["head", "skip", "end", "frame"])
def test_a_record_without_its_fields_is_refused(name: str) -> None:
    with pytest.raises(WireError, match="not a journal record"):
        unpack_record(msgpack.packb([name, {}]))
