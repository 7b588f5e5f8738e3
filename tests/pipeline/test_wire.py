from __future__ import annotations

from dataclasses import fields
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.heartbeat import CameraProgress, Heartbeat
from pipeline.wire import (
    WireError,
    decode_heartbeat,
    decode_tracklet,
    encode_heartbeat,
    encode_tracklet,
    is_intact,
    pack_array,
    round_features,
    unpack_array,
)
from storage.tracklets import Exemplar, Tracklet
from tests.pipeline import fabricate

halves = st.floats(-1, 1, width=16)
singles = st.floats(-1e6, 1e6, width=32)


@st.composite
def exemplars(draw: st.DrawFn) -> Exemplar:
    parts = draw(st.integers(0, 4))
    return Exemplar(
        time_s=draw(st.floats(0, 4e9)),
        frame_index=draw(st.integers(0, 2**40)),
        box_xyxy=draw(hnp.arrays(np.float32, 4, elements=singles)),
        crop_jpeg=draw(st.binary(max_size=50)),
        quality=draw(st.floats(0, 1)),
        global_feature=draw(hnp.arrays(np.float32, 8, elements=halves)),
        part_features=draw(hnp.arrays(np.float32, (parts, 5), elements=halves)),
        part_visibility=draw(hnp.arrays(np.float32, parts, elements=halves)),
    )


@st.composite
def tracklets(draw: st.DrawFn) -> Tracklet:
    count = draw(st.integers(0, 20))
    return Tracklet(
        uuid=str(draw(st.uuids())),
        track_uuid=str(draw(st.uuids())),
        camera=draw(st.text(max_size=10)),
        frame_indices=draw(hnp.arrays(np.int64, count)),
        times_s=draw(hnp.arrays(np.float64, count, elements=st.floats(0, 4e9))),
        boxes_xyxy=draw(hnp.arrays(np.float32, (count, 4), elements=singles)),
        scores=draw(hnp.arrays(np.float32, count, elements=singles)),
        exemplars=tuple(draw(st.lists(exemplars(), max_size=4))),
        fingerprint=draw(st.text(max_size=10)),
        source=draw(st.text(max_size=30)),
        source_offset_s=draw(st.floats(0, 1e6)),
        frame_size_wh=(draw(st.integers(1, 9000)), draw(st.integers(1, 9000))),
        source_fps=draw(st.floats(0.1, 240)),
    )


def assert_same(one: object, other: object) -> None:
    assert type(one) is type(other)
    for field in fields(one):  # type: ignore[arg-type]
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        elif field.name == "exemplars":
            assert len(left) == len(right)
            for a, b in zip(left, right, strict=True):
                assert_same(a, b)
        else:
            assert left == right


@settings(max_examples=60, deadline=None)
@given(tracklets())
def test_a_tracklet_survives_the_wire_exactly(tracklet: Tracklet) -> None:
    assert_same(decode_tracklet(encode_tracklet(tracklet)), tracklet)


def test_vectors_are_rounded_to_half_precision_once() -> None:
    tracklet = fabricate.tracklet()
    once = decode_tracklet(encode_tracklet(tracklet))
    assert encode_tracklet(once) == encode_tracklet(tracklet)
    values = np.array([0.1, 1 / 3], np.float32)
    np.testing.assert_array_equal(round_features(round_features(values)), round_features(values))
    np.testing.assert_allclose(round_features(values), values, rtol=1e-3)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    message = encode_tracklet(fabricate.tracklet("00000000-0000-4000-8000-000000000001"))
    assert is_intact(message)
    if data.draw(st.booleans(), "cut"):
        damaged = message[: data.draw(st.integers(0, len(message) - 1))]
    else:
        spot = data.draw(st.integers(0, len(message) - 1))
        flip = data.draw(st.integers(1, 255))
        damaged = message[:spot] + bytes([message[spot] ^ flip]) + message[spot + 1 :]
    with pytest.raises(WireError):
        decode_tracklet(damaged)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_a_wire_error(noise: bytes) -> None:
    assert not is_intact(noise)
    with pytest.raises(WireError):
        decode_tracklet(noise)
    with pytest.raises(WireError):
        decode_heartbeat(noise)


def test_a_message_of_another_kind_or_version_is_refused() -> None:
    heartbeat = encode_heartbeat(Heartbeat(0, 1, ()))
    with pytest.raises(WireError, match="kind"):
        decode_tracklet(heartbeat)
    newer = heartbeat[:2] + bytes([9]) + heartbeat[3:]
    with pytest.raises(WireError, match="version 9"):
        decode_heartbeat(newer)


@pytest.mark.parametrize(
    "packed",
    [None, [], ["<f4", [2], b"1234"], ["|O", [1], b"12345678"], ["<f4", ["x"], b"1234"]],
)
def test_an_array_that_does_not_fit_is_refused(packed: object) -> None:
    with pytest.raises(WireError):
        unpack_array(packed)


def test_an_unpacked_array_may_be_written() -> None:
    array = unpack_array(pack_array(np.arange(3), "<i8"))
    array[0] = 7
    assert array.tolist() == [7, 1, 2]


def test_a_heartbeat_survives_the_wire() -> None:
    camera = CameraProgress(
        camera="door",
        state="running",
        frames=10,
        frames_total=None,
        stage_s={"detect": 1.5},
        warnings=("slow",),
    )
    heartbeat = Heartbeat(worker=1, pid=42, cameras=(camera,), pending=3, final=True)
    assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat


def test_uuids_are_kept_as_text() -> None:
    name = str(uuid4())
    assert decode_tracklet(encode_tracklet(fabricate.tracklet(name))).uuid == name
