from __future__ import annotations

import pytest

from benchmarks.reid_peers import KnownPeer, agrees, peers_table

PEER = KnownPeer("one", "one.xml", 93.1, 76.7)


@pytest.mark.parametrize(
    ("rank1", "mean_ap", "wanted"),
    [
        (93.11, 76.68, True),
        (93.19, 76.61, True),
        (93.25, 76.7, False),
        (93.1, 76.5, False),
        (92.9, 76.7, False),
    ],
)
def test_agrees(rank1: float, mean_ap: float, wanted: bool) -> None:
    assert agrees(PEER, rank1, mean_ap) is wanted


def test_the_table_marks_a_peer_that_misses_its_figure() -> None:
    row = {
        "peer": "one",
        "rank1": 93.114,
        "known_rank1": 93.1,
        "mAP": 76.681,
        "known_mAP": 76.7,
        "mINP": 37.29,
        "seconds": 110.9,
        "agrees": True,
    }
    lines = peers_table([row, row | {"rank1": 90.0, "agrees": False}]).splitlines()
    assert lines[2] == "| one | 93.11 | 93.1 | 76.68 | 76.7 | 37.29 | 111 | yes |"
    assert lines[3].startswith("| one | 90.00 |")
    assert lines[3].endswith("| **no** |")
