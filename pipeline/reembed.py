"""Gives an archive another embedder: every stored picture is embedded anew.

Vectors of two embedders cannot be compared, so an archive keeps one. After a retraining, or with
a version of the program whose weights are better, this is the way to them: identities, names and
an operator's decisions stay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.embedder import Embedder, load_embedder
from pipeline.run_folder import newest_unfinished
from pipeline.site_model import SITE_WEIGHTS, fit_to_site
from reid.data.market import read_image_bgr
from reid.embeddings import Embeddings
from reid.site_adaptation import MIN_CROPS
from reid.weights_file import DEFAULT_WEIGHTS, load_weights
from storage.errors import StoreError
from storage.records import Reembedding
from storage.store import Store

_BATCH = 64
_FITTED_TO = 2000
"""Most pictures that batch statistics are measured on, spread evenly, to bound the time."""
_VECTORS = "unfinished_vectors.npy"
OnStart = Callable[[int], Callable[[int], None]]


@dataclass(frozen=True)
class Reembedded:
    """What was done.

    Attributes:
        fingerprint: of the new embedder. fitted: to the archive's pictures.
        before: pictures by the fingerprint of the embedder that they had.
        tracklets, pictures: embedded anew.
        unfinished_run: it cannot be resumed any more; None without one.
    """

    fingerprint: str
    fitted: bool
    before: dict[str, int]
    tracklets: int
    pictures: int
    unfinished_run: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def reembed(
    store: Store,
    folder: Path,
    weights: Path | None,
    *,
    fit: bool,
    actor: str,
    on_start: OnStart,
) -> Reembedded:
    """Embed all pictures of an archive with other weights, which it then keeps.

    Nothing has changed in the archive until all are embedded; then all change at once.

    Args:
        store: the archive. folder: where its embedder is kept, `--store`.
        weights: a weight file of ours; None takes the shipped one.
        fit: measure batch statistics anew on the archive's pictures, if there are enough.
        actor: for the audit log.
        on_start: gets the number of pictures and returns what is told how many are ready.

    Raises:
        StoreError: a run is at work, or a picture is missing.
        ReidError: weights that cannot be used, or a picture that cannot be decoded.
    """
    unfinished = newest_unfinished(folder)
    if unfinished is not None and unfinished.is_locked():
        raise StoreError(f"run {unfinished.run_uuid} is at work on this archive; stop it first")
    before = store.pictures_by_fingerprint()
    crops = {
        uuid: tuple(_there(store, path) for path in paths)
        for uuid, paths in store.crop_paths().items()
    }
    files = [file for paths in crops.values() for file in paths]
    folder.mkdir(parents=True, exist_ok=True)
    new, vectors = (folder / f"unfinished_{SITE_WEIGHTS}", folder / _VECTORS)
    try:
        fitted = _write_weights(weights or DEFAULT_WEIGHTS, files if fit else [], new)
        embedder = load_embedder(new)
        held = _Held(vectors, embedder, files, on_start(len(files)))
        store.reembed(held.updates(crops), weights=folder / SITE_WEIGHTS)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    finally:
        vectors.unlink(missing_ok=True)
    os.replace(new, folder / SITE_WEIGHTS)  # stopped just before: the same command again mends it
    done = Reembedded(
        embedder.fingerprint,
        fitted,
        before,
        len(crops),
        len(files),
        unfinished.run_uuid if unfinished else None,
    )
    store.audit(actor, "reembed", done.as_dict())
    return done


def _there(store: Store, relative: str) -> Path:
    path = store.media.locate(relative)
    if not path.is_file():
        raise StoreError(f"{path}: the picture is missing, so its vectors cannot be made anew")
    return path


def _write_weights(weights: Path, files: list[Path], to: Path) -> bool:
    """Write the archive's new embedder; whether it was fitted to these pictures."""
    load_weights(weights)  # refuses what is no weight file of ours
    if len(files) < MIN_CROPS:
        shutil.copyfile(weights, to)
        return False
    rows = np.linspace(0, len(files) - 1, min(len(files), _FITTED_TO)).astype(int)
    fit_to_site(weights, [read_image_bgr(files[row]) for row in rows], to)
    return True


class _Held:
    """Vectors of all pictures in a file on disk, since an archive's may not fit into memory."""

    def __init__(
        self, path: Path, embedder: Embedder, files: list[Path], on_done: Callable[[int], None]
    ) -> None:
        self._fingerprint = embedder.fingerprint
        self._rows: NDArray[np.float16] | None = None
        self._shapes: tuple[tuple[int, ...], ...] = ()
        for start in range(0, len(files), _BATCH):
            chunk = files[start : start + _BATCH]
            found = embedder.embed([read_image_bgr(file) for file in chunk])
            if self._rows is None:
                self._shapes = tuple(part.shape[1:] for part in _arrays(found))
                width = sum(int(np.prod(shape)) for shape in self._shapes)
                self._rows = np.lib.format.open_memmap(
                    path, mode="w+", dtype=np.float16, shape=(len(files), width)
                )
            flat = [part.reshape(len(chunk), -1) for part in _arrays(found)]
            self._rows[start : start + len(chunk)] = np.concatenate(flat, axis=1)
            on_done(start + len(chunk))

    def updates(self, crops: Mapping[str, tuple[Path, ...]]) -> Iterator[Reembedding]:
        """The new vectors of each tracklet; `crops` are the files in the order of the rows."""
        start = 0
        for uuid, paths in crops.items():
            assert self._rows is not None
            rows = np.asarray(self._rows[start : start + len(paths)], np.float32)
            start += len(paths)
            ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1]
            split = np.split(rows, ends, axis=1)
            parts = [x.reshape(-1, *s) for x, s in zip(split, self._shapes, strict=True)]
            yield Reembedding(uuid, self._fingerprint, *parts)


def _arrays(found: Embeddings) -> tuple[NDArray[np.float32], ...]:
    return found.global_features, found.part_features, found.part_visibility
