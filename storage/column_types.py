"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import DateTime, Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.codec import HALF, half_bytes
from storage.errors import StoreError


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; a datetime without a time zone is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC.

        Raises:
            StoreError: ``value`` has no time zone.
        """
        if value is None:
            return None
        if value.utcoffset() is None:
            raise StoreError(f"the time {value.isoformat()} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a UTC datetime; SQLite hands it back without its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class HalfVector(TypeDecorator[NDArray[np.float16]]):
    """A (D,) float16 vector: ``halfvec`` of pgvector on PostgreSQL, a BLOB elsewhere."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the database; pgvector is imported only for PostgreSQL."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import HALFVEC

        return dialect.type_descriptor(HALFVEC())

    def process_bind_param(self, value: NDArray[Any] | None, dialect: Dialect) -> Any:
        """Round to float16.

        Raises:
            StoreError: a number is not finite in float16.
        """
        if value is None:
            return None
        blob = half_bytes(value)
        if dialect.name == "postgresql":
            return np.frombuffer(blob, HALF).astype(np.float32).tolist()
        return blob

    def process_result_value(self, value: Any, dialect: Dialect) -> NDArray[np.float16] | None:
        """Return the (D,) float16 vector.

        Raises:
            StoreError: the bytes are no whole numbers.
        """
        if value is None:
            return None
        if isinstance(value, bytes | memoryview):
            if len(value) % HALF.itemsize:
                raise StoreError(f"damaged vector in the archive: {len(value)} bytes")
            return np.frombuffer(value, HALF)
        numbers = value.to_numpy() if hasattr(value, "to_numpy") else value
        return np.asarray(numbers, dtype=HALF)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Say whether two vectors are the same, which decides if an UPDATE is sent."""
        return bool(np.array_equal(x, y))
