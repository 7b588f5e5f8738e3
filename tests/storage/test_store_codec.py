"""Arrays and columns keep what they promise to keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from storage.codec import half_array, half_bytes, pack_array, unit_rows, unpack_array
from storage.column_types import UtcDateTime
from storage.errors import StoreError
from storage.models import Base, Identity

SHAPES = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=30).filter(
    lambda shape: len(shape) == 1 or shape[1] > 0
)


@pytest.mark.parametrize("dtype", ["<i8", "<f8", "<f4", "<i4"])
@given(st.data())
def test_packing_keeps_every_bit(dtype: str, data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(np.dtype(dtype), SHAPES))
    found = unpack_array(pack_array(array, dtype), dtype, array.shape)
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


def test_packing_a_steady_track_is_small() -> None:
    frames = np.arange(750)
    assert len(pack_array(frames, "<i8")) < 60
    assert len(pack_array(1.7e9 + frames / 25.0, "<f8")) < 750 * 2


@pytest.mark.parametrize("blob", [b"", b"junk", pack_array(np.arange(4), "<i8")])
def test_damaged_arrays_are_an_error(blob: bytes) -> None:
    with pytest.raises(StoreError, match="damaged array"):
        unpack_array(blob, "<i8", (5,))


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)))
def test_half_precision_is_close(array: np.ndarray) -> None:
    np.testing.assert_allclose(half_array(half_bytes(array), (3, 4)), array, atol=5e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_half_precision_refuses_what_it_cannot_hold(bad: float) -> None:
    with pytest.raises(StoreError, match="not finite"):
        half_bytes(np.array([bad]))


def test_half_precision_checks_the_length() -> None:
    with pytest.raises(StoreError, match="damaged vector"):
        half_array(b"abc", (2,))


def test_unit_rows() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0]], np.float16))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]])
    assert rows.dtype == np.float32
    assert unit_rows(np.empty((0, 0), np.float16)).shape == (0, 0)


def identity_at(moment: datetime) -> datetime:
    """What comes back for a moment that was stored."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Identity(created_at=moment))
        session.flush()
        session.expire_all()
        return session.query(Identity).one().created_at


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(-720, 720))  # noqa: DTZ001
def test_moments_come_back_as_the_same_instant_in_utc(naive: datetime, minutes: int) -> None:
    kind = UtcDateTime()
    dialect = create_engine("sqlite://").dialect
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    stored = kind.process_bind_param(moment, dialect)
    assert stored is not None
    found = kind.process_result_value(stored.replace(tzinfo=None), dialect)
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


def test_moment_survives_the_database() -> None:
    moment = datetime(2024, 3, 31, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert identity_at(moment) == moment
    assert identity_at(moment).tzinfo is UTC


def test_naive_moments_are_refused() -> None:
    with pytest.raises(Exception, match="has no time zone") as caught:
        identity_at(datetime(2024, 1, 1))  # noqa: DTZ001
    assert isinstance(getattr(caught.value, "orig", None), StoreError)


def test_errors_are_one_line() -> None:
    assert str(StoreError("first\n  second")) == "first second"
