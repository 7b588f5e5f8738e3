"""The peers reach their known figures on Market-1501, which checks the evaluator (minutes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.reid_peers import PEERS, TOLERANCE, KnownPeer, measure
from reid.data.source import DataSource, data_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def market(shared_dir: Path) -> Iterator[DataSource]:
    with data_folder(DataSource("market1501", shared_dir / "data" / "market1501.zip")) as source:
        yield source


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_reaches_its_figures(peer: KnownPeer, shared_dir: Path, market: DataSource) -> None:
    found = measure(peer, shared_dir, market, threads=0, quiet=True)
    assert found["queries"] == 3368
    assert found["rank1"] == pytest.approx(peer.rank1, abs=TOLERANCE)
    assert found["mAP"] == pytest.approx(peer.mean_ap, abs=TOLERANCE)
