"""`search --wearing`: by clothing alone, with a picture, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.search_builders import ColourEmbedder, FixedDetector, colour_readout
from tests.test_main import call
from tests.test_main_archive import found, picture, place

__all__ = ["picture", "place"]  # fixtures
BOXES: list[tuple[float, float, float, float]] = [(0, 0, 32, 64), (40, 0, 60, 60)]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that see colours and can name them."""
    use(monkeypatch, ColourEmbedder(readout=colour_readout()))


def use(monkeypatch: pytest.MonkeyPatch, embedder: ColourEmbedder) -> None:
    monkeypatch.setattr("pipeline.embedder.load_embedder", lambda weights=None: embedder)
    monkeypatch.setattr(
        "pipeline.detector.Detector", lambda weights=None, image_size=None: FixedDetector(BOXES)
    )


def tracklets(data: Any) -> set[str]:
    return {hit["tracklet"] for group in data["groups"] for hit in group["hits"]}


@pytest.mark.usefixtures("models")
class TestWearing:
    """With an embedder that names clothing."""

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("red upper", {"red-1", "red-2"}),
            ("  RED   Upper ,", {"red-1", "red-2"}),
            ("green upper, blue upper,bag", {"green-1", "blue-1"}),
            ("hat", set()),
        ],
    )
    def test_by_clothing_alone(self, place: list[str], words: str, expected: set[str]) -> None:
        data = found(call("search", "--wearing", words, *place, "--json"))
        assert tracklets(data) == expected
        assert (data["image"], data["people"]) == (None, [])
        assert len(data["notices"]) == 1

    def test_with_a_picture_and_a_camera(self, place: list[str], picture: Path) -> None:
        arguments = ["--wearing", "green upper, blue upper", "--camera", "cam-2"]
        data = found(call("search", "--image", picture, *arguments, *place, "--json"))
        assert tracklets(data) == {"green-1"}
        why = data["groups"][0]["hits"][0]["why"]
        assert why["global_similarity"] is not None
        assert why["wearing"]["green upper"] > why["wearing"]["blue upper"]

    def test_a_table_says_how_probable_it_is(self, place: list[str]) -> None:
        done = call("search", "--wearing", "red upper, bag", *place)
        assert "2 of 4 sightings may fit: red upper, bag. Unreliable: “bag”" in done.stdout
        assert "red upper 1.00, bag 0.40; identity linked" in done.stdout
        assert "Person 1" in done.stdout
        assert "whole body" not in done.stdout

    def test_no_detector_is_needed_without_a_picture(
        self, place: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def detect(*_: object) -> None:
            raise AssertionError("the detector was used")

        monkeypatch.setattr(FixedDetector, "detect", detect)
        assert tracklets(found(call("search", "--wearing", "red upper", *place, "--json")))

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--wearing", "pink hat"], "--wearing pink hat: no such word; known: red upper, gr"),
            (["--wearing", "red upper, cap"], "--wearing cap: no such word; known: red upper"),
            (["--wearing", " , "], "--wearing: no word is given; known: red upper"),
            (["--wearing", "hat", "--whole"], "search: --person and --whole need --image"),
            (["--wearing", "hat", "--person", "1"], "search: --person and --whole need --image"),
            ([], "search: give --image PICTURE, --wearing WORDS, or both"),
        ],
    )
    def test_what_is_refused_is_one_line(
        self, place: list[str], arguments: list[str], expected: str
    ) -> None:
        done = call("search", *arguments, *place, "--json")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(expected)
        assert len(done.stderr.splitlines()) == 1


def test_an_embedder_that_names_no_clothing(
    place: list[str], picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, ColourEmbedder())
    for arguments in (["--wearing", "hat"], ["--wearing", "hat", "--image", picture]):
        done = call("search", *arguments, *place, "--json")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("--wearing: This archive's embedder names no clothing")
        assert len(done.stderr.splitlines()) == 1
    assert tracklets(found(call("search", "--image", picture, *place, "--json")))
