"""A damaged archive is an error that names it, and files outside its folder are never touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_builders import FINGERPRINT, RUN, T0, begin, open_store, tracklet

from storage.errors import StoreError
from storage.index import VectorIndex
from storage.records import LinkRecord, SearchFilter
from storage.store import Store, sqlite_url

ALL = SearchFilter()


def change(store: Store, statement: str, *values: Any) -> None:
    """What a broken disk or a clumsy hand does to the database."""
    with closing(sqlite3.connect(store.database.where)) as raw, raw:
        raw.execute(statement, values)


@pytest.fixture
def one(store: Store) -> Store:
    """An archive with the tracklet t of person 1."""
    store.add_tracklets([tracklet(1, uuid="t")], RUN)
    store.apply_links([LinkRecord("t", "new", identity_key="x")])
    return store


@pytest.mark.parametrize("column", ["frame_indices", "times", "boxes", "scores"])
@pytest.mark.parametrize("damage", [b"", b"junk"])
def test_damaged_arrays_of_a_tracklet(one: Store, column: str, damage: bytes) -> None:
    change(one, f"UPDATE tracklet SET {column} = ?", damage)
    with pytest.raises(StoreError, match="damaged array"):
        one.tracklets()
    assert [row.uuid for row in one.tracklet_rows()] == ["t"], "the lists still work"


def test_arrays_of_another_length_than_their_row(one: Store) -> None:
    change(one, "UPDATE tracklet SET box_count = 4")
    with pytest.raises(StoreError, match="damaged array"):
        one.tracklet("t")


@pytest.mark.parametrize("column", ["parts", "visibility"])
def test_damaged_part_vectors(one: Store, column: str) -> None:
    change(one, f"UPDATE exemplar SET {column} = x'0000'")
    row = one.exemplar_scan(ALL, FINGERPRINT).row_ids[:1]
    with pytest.raises(StoreError, match="damaged vector"):
        one.parts(row)
    with pytest.raises(StoreError, match="damaged vector"):
        one.tracklet("t")


@pytest.mark.parametrize(
    ("read", "blob"),
    [
        pytest.param("scan", b"\0\0", id="scan, one number for all"),
        pytest.param("scan", b"\0" * 30, id="scan, one number too few"),
        pytest.param("index", b"\0\0\0", id="index, half a number"),
        pytest.param("index", b"\0" * 30, id="index, one number too few"),
    ],
)
def test_damaged_whole_body_vectors(one: Store, read: str, blob: bytes) -> None:
    change(one, "UPDATE exemplar SET vector = ? WHERE rank = 0", blob)
    readers = {
        "scan": lambda: one.exemplar_scan(ALL, FINGERPRINT),
        "index": lambda: VectorIndex(one, FINGERPRINT).search(np.ones(16, np.float32), ALL, 1),
    }
    with pytest.raises(StoreError, match=r"damaged|lengths"):
        readers[read]()


def test_a_database_with_overwritten_pages_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        begin(store)
        store.add_tracklets([tracklet(n) for n in range(40)], RUN)
        path = Path(store.database.where)
        store.database.scrub()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match=str(path)), open_store(tmp_path, create=False) as store:
        store.tracklets()


def test_a_database_cut_short_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        begin(store)
        store.add_tracklets([tracklet(n) for n in range(40)], RUN)
        path = Path(store.database.where)
        store.database.scrub()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StoreError, match=str(path)), open_store(tmp_path, create=False) as store:
        store.tracklets()


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "crops/../../secret.txt", ""])
def test_a_row_cannot_lead_out_of_the_media_folder(one: Store, path: str) -> None:
    secret = one.media.root.parent / "secret.txt"
    secret.write_text("not a picture of the archive")
    change(one, "UPDATE exemplar SET crop_path = ? WHERE rank = 0", path)
    with pytest.raises(StoreError, match="media folder"):
        one.tracklet("t")
    with pytest.raises(StoreError, match="media folder"):
        one.erase_identity(1, "op")
    assert secret.read_text() == "not a picture of the archive"
    assert one.has_tracklets(["t"]) == {"t"}, "nothing is forgotten if its picture stays"
    assert one.identities()[0].id == 1


def test_a_picture_that_is_gone_already_does_not_stop_an_erasure(one: Store) -> None:
    for path in list(one.media.files()):
        one.media.delete(path)
    report = one.erase_identity(1, "op")
    assert (report.tracklets, report.exemplars, report.crops) == (1, 2, 0)
    assert one.tracklets() == []


@pytest.mark.parametrize(
    "change_of",
    [
        pytest.param(
            {"times_s": np.full(5, 1e18)},
        ),
        {"times_s": T0 + np.array([0, 1, 2, 3, np.inf])},
        {"times_s": -np.arange(5.0)},
        {"source_fps": float("nan")},
        {"source_offset_s": float("nan")},
    ],
    ids=["in the far future", "endless", "backwards", "no rate", "no offset"],
)
def test_impossible_numbers_are_refused_as_the_archives_own_error(
    store: Store, change_of: dict[str, Any]
) -> None:
    """The hub sets aside what the archive refuses; anything else would stop it."""
    good = tracklet(1, uuid="t")
    bad = type(good)(**{**vars(good), **change_of})
    with pytest.raises(StoreError):
        store.add_tracklets([bad], RUN)
    assert store.tracklet_rows() == []


@pytest.mark.parametrize("call", ["erase", "label", "search", "merge"])
def test_a_person_with_an_endless_number_does_not_exist(one: Store, call: str) -> None:
    person = 10**20
    calls = {
        "erase": lambda: one.erase_identity(person, "op"),
        "label": lambda: one.set_label(person, "Ann", "op"),
        "search": lambda: one.tracklets(identity=person),
        "merge": lambda: one.merge_identities(1, person, "op"),
    }
    with pytest.raises(StoreError, match="no identity"):
        calls[call]()


def test_a_media_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("in the way")
    with Store.open(sqlite_url(tmp_path / "store"), tmp_path / "media") as store:
        begin(store)
        with pytest.raises(StoreError, match="media"):
            store.add_tracklets([tracklet(1)], RUN)
        assert store.tracklet_rows() == []
