"""Score the peers' weights on Market-1501 with our evaluator, beside what they are known to reach.

    python benchmarks/reid_peers.py [--shared ../shared] [--json]

A peer that does not reach its figure means that the evaluator, or what the peer is fed, is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import ROOT, About
from benchmarks.page import table
from reid.data.source import DataSource, data_folder
from reid.evaluate import evaluate_folder
from reid.peers import Peer
from reid.progress import image_progress

TOLERANCE = 0.1
"""Percent points between a measured figure and the known one."""


@dataclass(frozen=True)
class KnownPeer:
    """A peer and what it is known to reach on Market-1501, single query.

    Attributes:
        name: for the table. file: below weights/peers.
        rank1, mean_ap: percent.
    """

    name: str
    file: str
    rank1: float
    mean_ap: float


_INTEL = "person-reidentification-retail"
PEERS = (
    KnownPeer(f"{_INTEL}-0287", f"{_INTEL}-0287/{_INTEL}-0287.xml", 93.1, 76.7),
    KnownPeer(f"{_INTEL}-0277", f"{_INTEL}-0277/{_INTEL}-0277.xml", 96.2, 87.7),
    KnownPeer("torchreid OSNet x0.25", "osnet_x0_25_market1501.pth", 91.5, 77.4),
)
Row = dict[str, Any]


def main() -> None:
    """Measure the peers one after the other and print a table, or one JSON object."""
    given = _arguments()
    about = About.now(
        "benchmarks/reid_peers.py", sys.argv[1:], seed="none; nothing is random", page=None
    )
    market = DataSource("market1501", given.shared / "data" / "market1501.zip")
    with data_folder(market) as source:
        rows = [measure(peer, given.shared, source, given.threads, given.quiet) for peer in PEERS]
    if given.json:
        print(json.dumps({"about": about.as_dict(), "peers": rows}))
    else:
        print(f"{about.markdown()}\n\n{peers_table(rows)}")


def measure(peer: KnownPeer, shared: Path, source: DataSource, threads: int, quiet: bool) -> Row:
    """Scores of one peer on the unpacked Market-1501, beside the known ones.

    `seconds` is the time of reading, embedding and ranking all images.
    """
    embedder = Peer(shared / "weights" / "peers" / peer.file, threads=threads)
    start = time.monotonic()
    with image_progress(peer.name, quiet) as on_start:
        scores = evaluate_folder(embedder, source, on_start=on_start).as_dict()
    return {
        "peer": peer.name,
        "fingerprint": embedder.fingerprint,
        **scores,
        "known_rank1": peer.rank1,
        "known_mAP": peer.mean_ap,
        "agrees": agrees(peer, scores["rank1"], scores["mAP"]),
        "seconds": round(time.monotonic() - start, 1),
    }


def agrees(peer: KnownPeer, rank1: float, mean_ap: float) -> bool:
    """Whether both figures are within TOLERANCE of the known ones."""
    return max(abs(rank1 - peer.rank1), abs(mean_ap - peer.mean_ap)) <= TOLERANCE


def peers_table(rows: Sequence[Row]) -> str:
    """A Markdown table, figures in percent."""
    columns = ("peer", ">rank-1", ">known", ">mAP", ">known", ">mINP", ">seconds", "agrees")
    lines = [
        (
            row["peer"],
            f"{row['rank1']:.2f}",
            f"{row['known_rank1']:.1f}",
            f"{row['mAP']:.2f}",
            f"{row['known_mAP']:.1f}",
            f"{row['mINP']:.2f}",
            f"{row['seconds']:.0f}",
            "yes" if row["agrees"] else "**no**",
        )
        for row in rows
    ]
    return table(columns, lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes what is there")
    parser.add_argument("--quiet", action="store_true", help="plain progress lines, no bar")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
