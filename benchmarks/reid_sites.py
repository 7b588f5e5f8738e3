"""Score embedders on footage as people are seen there, beside Market-1501.

    python benchmarks/reid_sites.py [--footage ../shared/data/office3] [--weights FILE ...]
        [--market ../shared/data/market1501.zip] [--cache DIR] [--out docs/SITES.md] [--json]

Crops of labelled tracklets are searched for in the other cameras: rank-1, mAP, and the errors at
fixed false-match rates, with plain features and with the product's adaptation to a site. Without
`--weights` the shipped weights and the peers below `--shared` are scored.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.about import ROOT, About
from benchmarks.kept_features import KeptDescriber
from benchmarks.page import write_section
from benchmarks.reid_peers import PEERS
from benchmarks.site_crops import CutRules, SiteCrops, cut_site, recordings_in
from benchmarks.site_page import TITLE, markdown
from benchmarks.site_scores import open_embedder, score_site
from pipeline.evaluation import EvaluationError, read_ground_truth
from reid.data.source import DataSource, data_folder, parse_data
from reid.data.tracklets import Tracklets
from reid.describe import CropDescriber
from reid.errors import ReidError
from reid.evaluate import Ranking, evaluate_source
from reid.progress import image_progress
from reid.weights_file import DEFAULT_WEIGHTS

SEED = "0 for the order in which batch statistics are measured; nothing else is random"
LAST_FRAME = 3150
"""The last frame of office3 with labels."""


@dataclass(frozen=True)
class Candidate:
    """An embedder to score: its name in the tables, and its file."""

    name: str
    weights: Path


def main() -> None:
    """Measure, print, and write the page if asked to."""
    given = _arguments()
    about = About.now("benchmarks/reid_sites.py", sys.argv[1:], seed=SEED, page=given.out)
    rules = CutRules()
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        chosen = candidates(given.weights, given.shared)
        with market_source(given.market) as market:
            result = {"about": about.as_dict(), **measure(chosen, rules, given, market)}
    except (ReidError, EvaluationError) as error:
        raise SystemExit(str(error)) from None
    page = markdown(about, result, rules)
    if given.out is not None:
        write_section(given.out, f"crops of {result['site']['name']}", page, TITLE)
    print(json.dumps(result) if given.json else page)


def candidates(weights: Sequence[Path], shared: Path) -> list[Candidate]:
    """The given files; without any, the shipped weights and the peers.

    Raises:
        ReidError: a file that is not there.
    """
    if weights:
        found = [Candidate(path.stem, path) for path in weights]
    else:
        found = [Candidate(f"{DEFAULT_WEIGHTS.stem} (shipped)", DEFAULT_WEIGHTS)]
        found += [Candidate(one.name, shared / "weights" / "peers" / one.file) for one in PEERS]
    for one in found:
        if not one.weights.is_file():
            raise ReidError(f"{one.weights}: no such weight file")
    return found


@contextmanager
def market_source(path: Path | None) -> Iterator[DataSource | None]:
    """Market-1501 in its folder, or unpacked from its zip file; None if it is not asked for.

    Raises:
        ReidError: nothing there, or no readable zip file.
    """
    if path is None:
        yield None
        return
    with data_folder(parse_data(f"market1501={path}")) as source:
        yield source


def measure(
    chosen: Sequence[Candidate],
    rules: CutRules,
    given: argparse.Namespace,
    market: DataSource | None = None,
) -> dict[str, Any]:
    """Cut the site's crops once and score every candidate on them, and on Market-1501 if given."""
    labelled = read_ground_truth(given.footage / "gt")
    recordings = recordings_in(given.footage, [one.camera for one in labelled])
    site = cut_site(labelled, recordings, given.max_frame, rules)
    rows = []
    for one in chosen:
        print(f"{given.footage.name}: {one.name} ...", file=sys.stderr, flush=True)
        rows.append(
            {
                "name": one.name,
                "fingerprint": open_embedder(one.weights, given.threads).fingerprint,
                "variants": score_site(one.weights, site, given.threads),
                "market": market_scores(one, market, given) if market else None,
            }
        )
    facts = {"name": given.footage.resolve().name, "last_frame": given.max_frame}
    return {"site": facts | facts_of(site), "embedders": rows}


def facts_of(site: SiteCrops) -> dict[str, Any]:
    """How much there is to compare."""
    heads = Tracklets.of(site.labels).crops
    counts = np.bincount(heads.cameras, minlength=len(site.cameras)).tolist()
    heights = np.array([picture.shape[0] for picture in site.pictures])
    return {
        "people": len(np.unique(heads.identities)),
        "tracklets": dict(zip(site.cameras, counts, strict=True)),
        "crops": len(site),
        "height_px": [int(heights.min()), int(np.median(heights)), int(heights.max())],
    }


def market_scores(
    one: Candidate, source: DataSource, given: argparse.Namespace
) -> dict[str, float]:
    """Standard protocol, global distance, no re-ranking."""
    embedder = open_embedder(one.weights, given.threads)
    describer = CropDescriber(embedder, has_parts=False)
    kept = KeptDescriber(describer, embedder.fingerprint, given.cache)
    with image_progress(one.name, given.quiet) as on_start:
        return evaluate_source(kept, source, Ranking(), on_start=on_start).as_dict()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument(
        "--footage",
        type=Path,
        default=shared / "data" / "office3",
        help="folder of recordings, with the labels of each in gt/<recording>.txt",
    )
    parser.add_argument("--max-frame", type=int, default=LAST_FRAME, help="last frame that counts")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="file to score")
    parser.add_argument("--shared", type=Path, default=shared, help="folder of the peers' weights")
    parser.add_argument("--market", type=Path, help="Market-1501, folder or zip, to score beside")
    parser.add_argument("--cache", type=Path, help="folder to keep features of Market-1501 in")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes what is there")
    parser.add_argument("--quiet", action="store_true", help="plain progress lines, no bar")
    parser.add_argument("--out", type=Path, help="page to write the section into")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
