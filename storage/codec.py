"""Arrays to compact bytes and back, without loss for boxes and times, float16 for vectors."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import StoreError

HALF = np.dtype("<f2")


def pack_array(array: NDArray[Any], dtype: str) -> bytes:
    """Compress ``array`` of shape (N, ...) without loss.

    Neighbouring rows are alike, so the differences of their bit patterns are stored, byte
    plane by byte plane, under zlib. Every bit pattern survives, NaN and -0.0 included.

    Args:
        array: (N, ...) numbers, N may be 0.
        dtype: little-endian numpy type of the stored numbers, such as ``"<f8"``.
    """
    values = np.ascontiguousarray(array, dtype=dtype)
    size = values.dtype.itemsize
    words = values.reshape(len(values), math.prod(values.shape[1:])).view(f"<u{size}")
    deltas = words.copy()
    deltas[1:] -= words[:-1]
    planes = np.ascontiguousarray(deltas.T).view(np.uint8).reshape(-1, size).T
    return zlib.compress(planes.tobytes(), 6)


def unpack_array(blob: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Undo `pack_array`; the result is writable and of ``shape`` = (N, ...).

    Raises:
        StoreError: the bytes are damaged or do not hold that many numbers.
    """
    kind = np.dtype(dtype)
    try:
        raw = zlib.decompress(blob)
    except zlib.error as error:
        raise StoreError(f"damaged array in the archive: {error}") from error
    if len(raw) != math.prod(shape) * kind.itemsize:
        raise StoreError(f"damaged array in the archive: {len(raw)} bytes for shape {shape}")
    columns = math.prod(shape[1:])
    planes = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1)
    deltas = np.ascontiguousarray(planes.T).view(f"<u{kind.itemsize}").reshape(columns, shape[0])
    words = np.cumsum(deltas, axis=1, dtype=deltas.dtype)
    return np.ascontiguousarray(words.T).view(kind).reshape(shape)


def half_bytes(array: NDArray[Any]) -> bytes:
    """Numbers of any shape as little-endian float16.

    Raises:
        StoreError: a number is not finite in float16.
    """
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(array).astype(HALF)
    if not np.isfinite(half).all():
        raise StoreError("a vector holds numbers that are not finite")
    return half.tobytes()


def half_array(blob: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Undo `half_bytes`: float32 array of ``shape``.

    Raises:
        StoreError: the bytes do not hold that many numbers.
    """
    if len(blob) != math.prod(shape) * HALF.itemsize:
        raise StoreError(f"damaged vector in the archive: {len(blob)} bytes for shape {shape}")
    return np.frombuffer(blob, HALF).reshape(shape).astype(np.float32)


def unit_rows(array: NDArray[Any]) -> NDArray[np.float32]:
    """Rows (last axis) scaled to length 1 as float32; float16 rounding moves them by 5e-4.

    A row of zeros stays zero.
    """
    rows = array.astype(np.float32)
    norms = np.sqrt(np.einsum("...d,...d->...", rows, rows))[..., None]
    scaled: NDArray[np.float32] = np.divide(rows, norms, out=rows, where=norms > 0)
    return scaled
