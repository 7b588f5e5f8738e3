"""The program that scores embedders on footage: what it scores, keeps and writes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_footage import write_footage

from benchmarks import kept_features, reid_sites, site_scores
from benchmarks.about import About
from benchmarks.kept_features import KeptDescriber
from benchmarks.reid_sites import Candidate, candidates, market_scores, market_source, measure
from benchmarks.site_crops import CutRules
from benchmarks.site_page import markdown, scores_table, summary_table
from reid.data.crops import Crops
from reid.data.occlusion import Occlusion
from reid.describe import CropDescriber
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.weights_file import DEFAULT_WEIGHTS


class MeanColour:
    """Embeds a crop as the colour of its middle."""

    fingerprint = "colour"

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, crops_bgr: list[np.ndarray]) -> Embeddings:
        self.seen += len(crops_bgr)
        middles = [crop[len(crop) // 4 : -len(crop) // 4].reshape(-1, 3) for crop in crops_bgr]
        colours = np.stack([middle.mean(0) for middle in middles])
        vectors = (colours / np.linalg.norm(colours, axis=1, keepdims=True)).astype(np.float32)
        none = np.zeros((len(vectors), 1, 1), np.float32)
        return Embeddings(vectors, none, none[:, :, 0], self.fingerprint)


PLACES = {
    "east": {1: dict.fromkeys(range(1, 6), 10), 2: dict.fromkeys(range(8, 12), 100)},
    "west": {1: dict.fromkeys([2, 3], 60), 2: dict.fromkeys([6, 12], 20), 3: {4: 100}},
}


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Measured with `MeanColour` on drawn footage of three people."""
    footage = tmp_path / "yard"
    write_footage(footage, PLACES, 12)
    weights = tmp_path / "colour.xml"
    weights.write_bytes(b"colour")
    for module in (reid_sites, site_scores):
        monkeypatch.setattr(module, "open_embedder", lambda *_: MeanColour())
    given = Namespace(footage=footage, max_frame=12, threads=1)
    return measure(candidates([weights], tmp_path), CutRules(), given)


def test_coloured_people_are_told_apart_across_cameras(result: dict[str, Any]) -> None:
    site, (row,) = result["site"], result["embedders"]
    assert site["people"] == 3
    assert site["tracklets"] == {"east": 2, "west": 4}  # person 2 is away for over a second
    assert (site["crops"], site["height_px"], site["name"]) == (14, [60, 60, 60], "yard")
    assert (row["name"], row["fingerprint"], row["market"]) == ("colour", "colour", None)
    for unit, queries in (("tracklet", 5), ("image", 13)):
        scores = row["variants"]["plain"][unit]
        assert (scores["rank1"], scores["mAP"], scores["queries"]) == (100, 100, queries)
        assert scores["fnmr"]["0.001"] == 0


def test_market_is_scored_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "market"
    for name, files in {
        "query": ["0001_c1s1_000001_00.png", "0002_c1s1_000001_00.png"],
        "bounding_box_test": ["0001_c2s1_000001_00.png", "0002_c2s1_000001_00.png"],
    }.items():
        (folder / name).mkdir(parents=True)
        for number, file in enumerate(files):
            colour = (200, 20, 20) if number else (20, 200, 20)
            cv2.imwrite(str(folder / name / file), np.full((20, 10, 3), colour, np.uint8))
    monkeypatch.setattr(reid_sites, "open_embedder", lambda *_: MeanColour())
    given = Namespace(threads=1, cache=tmp_path / "cache", quiet=True)
    with market_source(folder) as source:
        assert source is not None
        found = market_scores(Candidate("colour", tmp_path / "colour.xml"), source, given)
    assert (found["rank1"], found["mAP"], found["queries"]) == (100, 100, 2)
    assert len(list((tmp_path / "cache").glob("colour-*.npz"))) == 2
    with (
        pytest.raises(ReidError, match="nowhere: no such folder"),
        market_source(tmp_path / "nowhere"),
    ):
        pass


def test_the_page_says_what_was_cut_and_scored(result: dict[str, Any]) -> None:
    about = About("python x.py", "abc", 0, "now", "machine", 0.5, "numpy", "0")
    page = markdown(about, result, CutRules())
    assert "3 people, 6 tracklets (east 2, west 4) and 14 crops" in page
    assert "`python x.py`" in page
    assert "| colour | plain | 100.0 | 100.0 | 0.0 | 0.0 | 0.0 | 100.0 |" in page
    assert "more than 0.3 lies in an ignore box or more than 0.5" in page
    assert "Market" not in page


def scores(value: float) -> dict[str, Any]:
    return {
        "rank1": value,
        "mAP": value - 10,
        "fnmr": {"0.1": 1.0, "0.01": 2.0, "0.001": 3.04},
        "tpir": {"0.1": 55.55},
        "standard_error": {"rank1": 1.04, "mAP": 2.0, "fnmr": 3.0},
    }


def row(name: str, variants: dict[str, float], market: dict[str, float] | None) -> dict[str, Any]:
    units = {
        kind: {"tracklet": scores(value), "image": scores(value - 1)}
        for kind, value in variants.items()
    }
    return {"name": name, "fingerprint": "f", "variants": units, "market": market}


OURS = row("ours", {"plain": 50, "site space": 60, "batch statistics": 70, "both": 80}, None)
PEER = row("peer", {"plain": 52, "site space": 62}, {"rank1": 90.0, "mAP": 70.123})


def test_the_summary_takes_features_as_the_product_does() -> None:
    assert summary_table([OURS]).splitlines()[2:] == [
        "| ours | f | site space | 60.0 ± 1.0 | 50.0 ± 2.0 | 2.0 ± 3.0 |"
    ]


def test_market_stands_beside_and_a_missing_one_is_a_dash() -> None:
    assert summary_table([OURS, PEER]).splitlines()[2:] == [
        "| ours | f | site space | – | – | 60.0 ± 1.0 | 50.0 ± 2.0 | 2.0 ± 3.0 | – | – |",
        "| peer | f | site space | 90.00 | 70.12 | 62.0 ± 1.0 | 52.0 ± 2.0 | 2.0 ± 3.0 "
        "| 76.0 | 61.1 |",
    ]


def test_every_kind_of_features_has_a_row() -> None:
    lines = scores_table([OURS, PEER], "image").splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == [*OURS["variants"], *PEER["variants"]]
    assert lines[0] == "| ours | plain | 49.0 | 39.0 | 1.0 | 2.0 | 3.0 | 55.5 |"


def test_without_weights_the_shipped_ones_and_the_peers_are_scored(shared_dir: Path) -> None:
    found = candidates([], shared_dir)
    assert found[0].weights == DEFAULT_WEIGHTS
    assert [one.weights.suffix for one in found[1:]] == [".xml", ".xml", ".pth"]


def test_missing_weights_are_named_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"osnet\.safetensors: no such weight file"):
        candidates([tmp_path / "osnet.safetensors"], tmp_path)
    with pytest.raises(ReidError, match=r"retail-0287\.xml: no such weight file"):
        candidates([], tmp_path)


@pytest.fixture
def crops(tmp_path: Path) -> Crops:
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.full((20, 10, 3), 60 * number + 20, np.uint8))
    ones = np.ones(3, np.int64)
    return Crops(tuple(paths), ones, ones)


def test_features_are_made_once(crops: Crops, tmp_path: Path) -> None:
    embedder, cache, done = MeanColour(), tmp_path / "cache", []
    describer = KeptDescriber(CropDescriber(embedder), "colour", cache)
    first = describer.describe(crops, "query", None, 0, lambda count: None)
    again = describer.describe(crops, "query", None, 0, done.append)
    assert (embedder.seen, done) == (3, [3])
    vectors = again.embeddings.global_features
    made = CropDescriber(embedder).describe(crops, "query", None, 0, lambda count: None)
    np.testing.assert_array_equal(vectors, first.embeddings.global_features)
    np.testing.assert_array_equal(vectors, made.embeddings.global_features)
    assert again.embeddings.fingerprint == "colour"


def test_features_of_others_are_not_taken(crops: Crops, tmp_path: Path) -> None:
    embedder, cache = MeanColour(), tmp_path / "cache"

    def describe(fingerprint: str, split: str, which: Crops) -> None:
        describer = KeptDescriber(CropDescriber(embedder), fingerprint, cache)
        describer.describe(which, split, None, 0, lambda count: None)  # type: ignore[arg-type]

    describe("a", "query", crops)
    describe("b", "query", crops)
    fewer = Crops(crops.paths[:2], crops.identities[:2], crops.cameras[:2])
    describe("a", "query", fewer)
    assert embedder.seen == 2 * 3 + 2
    crops.paths[0].write_bytes(crops.paths[0].read_bytes() + b" ")
    describe("a", "query", crops)
    assert embedder.seen == 3 * 3 + 2


def test_a_stopped_run_goes_on_where_it_was(
    crops: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_features, "_AT_ONCE", 2)
    broken = Crops((*crops.paths[:2], tmp_path / "2.png"), crops.identities, crops.cameras)
    whole = crops.paths[2].read_bytes()
    crops.paths[2].write_bytes(b"damaged")
    embedder, done = MeanColour(), []
    describer = KeptDescriber(CropDescriber(embedder), "colour", tmp_path / "cache")
    with pytest.raises(ReidError, match=r"2\.png"):
        describer.describe(broken, "query", None, 0, done.append)
    assert (embedder.seen, done) == (2, [2])
    crops.paths[2].write_bytes(whole)
    found = describer.describe(crops, "query", None, 0, done.append)
    assert (embedder.seen, done) == (3, [2, 2, 3])
    expected = CropDescriber(embedder).describe(crops, "query", None, 0, lambda count: None)
    np.testing.assert_array_equal(
        found.embeddings.global_features, expected.embeddings.global_features
    )


@pytest.mark.parametrize("occlusion", [None, Occlusion(0.3, 0)])
def test_nothing_is_kept_of_occluded_pictures_or_without_a_folder(
    crops: Crops, tmp_path: Path, occlusion: Occlusion | None
) -> None:
    embedder = MeanColour()
    folder = None if occlusion is None else tmp_path / "cache"
    describer = KeptDescriber(CropDescriber(embedder), "colour", folder)
    for _ in range(2):
        describer.describe(crops, "query", occlusion, 0, lambda count: None)
    assert embedder.seen == 6
    assert not (tmp_path / "cache").exists()
