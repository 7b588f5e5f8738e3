"""Several threads and processes, and one that dies at the worst moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_builders import RUN, begin, open_store, tracklet

from storage.database import Database
from storage.errors import StoreError
from storage.media import MediaFolder
from storage.records import LinkRecord
from storage.store import Store

HERE = Path(__file__).parent
CHILD = f"""
import os, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from store_builders import *
"""


def child(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Another process that knows the builders."""
    return subprocess.Popen([sys.executable, "-c", CHILD + code, *arguments])


def test_a_reader_sees_one_state_while_another_writes(store: Store) -> None:
    store.add_tracklets([tracklet(1)], RUN)
    count = "SELECT count(*) FROM tracklet"
    with store.database.read() as session:
        assert session.connection().exec_driver_sql(count).scalar() == 1
        with ThreadPoolExecutor(1) as pool:
            assert len(pool.submit(store.add_tracklets, [tracklet(2)], RUN).result(20)) == 1
        assert session.connection().exec_driver_sql(count).scalar() == 1
    assert len(store.tracklet_rows()) == 2


def test_reading_goes_on_during_a_long_write(store: Store) -> None:
    store.add_tracklets([tracklet(1)], RUN)
    with store.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM exemplar")
        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(store.tracklet_rows).result(20)
        assert rows[0].exemplar_count == 2


def test_many_threads_write_without_losing_anything(store: Store) -> None:
    store.add_tracklets([tracklet(n, uuid=f"t{n}") for n in range(12)], RUN)
    stop = threading.Event()

    def watch() -> int:
        seen = 0
        while not stop.is_set():
            linked = len(store.links())
            assert linked >= seen
            seen = linked
        return seen

    def work(n: int) -> None:
        store.add_tracklets([tracklet(100 + n % 3)], RUN)
        store.apply_links([LinkRecord(f"t{n}", "new", identity_key="k")])

    with ThreadPoolExecutor(5) as pool:
        watcher = pool.submit(watch)
        list(pool.map(work, range(12)))
        stop.set()
        watcher.result(20)
    assert len({link.identity_id for link in store.links().values()}) == 12
    assert len(store.tracklet_rows()) == 12 + 3


def test_two_processes_take_turns(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        begin(store)
        code = """
with open_store(Path(sys.argv[1])) as store:
    for n in range(8):
        store.add_tracklets([tracklet(int(sys.argv[2]) + n), tracklet(500 + n)], RUN)
"""
        children = [child(code, str(tmp_path), first) for first in ("0", "100")]
        assert [process.wait(60) for process in children] == [0, 0]
        assert len(store.tracklet_rows()) == 8 * 3
        assert len(store.tracklets(with_crops=True)) == 8 * 3
        assert store.orphans(0) == []


def test_death_between_crop_and_commit_leaves_only_orphans(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        begin(store)
        store.add_tracklets([tracklet(1, uuid="a")], RUN)
    code = """
from storage import archive
def die(*_):
    os.kill(os.getpid(), 9)
archive._add_missing_cameras = die
with open_store(Path(sys.argv[1])) as store:
    store.add_tracklets([tracklet(2, uuid="b")], RUN)
"""
    assert child(code, str(tmp_path)).wait(60) == -9
    with open_store(tmp_path) as store:
        assert [row.uuid for row in store.tracklet_rows()] == ["a"]
        folder = "crops/cam-1/2023-11-14"
        assert store.orphans(0) == [f"{folder}/b_0.jpg", f"{folder}/b_1.jpg"]
        assert store.add_tracklets([tracklet(2, uuid="b")], RUN) == ["b"]
        assert store.orphans(0) == []


def test_a_crop_that_cannot_be_written_stores_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(MediaFolder, "write", full)
        with pytest.raises(StoreError, match="no space left"):
            store.add_tracklets([tracklet(1)], RUN)
    assert store.tracklet_rows() == []
    assert len(store.add_tracklets([tracklet(1)], RUN)) == 1


def test_a_writer_that_waits_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path) as store:
        monkeypatch.setattr("storage.database.BUSY_TIMEOUT_S", 0.1)
        impatient = Database(f"sqlite:///{store.database.where}", create=False)
        with (
            store.database.write(),
            pytest.raises(StoreError, match=r"crosswalk\.db.*locked"),
            impatient.write(),
        ):
            pass
        impatient.close()


def test_a_write_that_fails_changes_nothing(store: Store) -> None:
    def fail() -> None:
        with store.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM camera")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(store.cameras()) == 2
