"""Searching by clothing: who fits, in which order, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from search_builders import RUN, T0, ColourEmbedder, colour_readout, crop, open_archive, tracklet

from pipeline.search import SearchError, SearchService
from pipeline.search_wearing import PersonFilter, fitting, unreliable_words, worn
from storage.index import VectorIndex
from storage.records import LinkRecord, SearchFilter
from storage.store import Store
from storage.tracklets import Tracklet

READOUT = colour_readout()


def two_coloured(uuid: str, colours: tuple[str, ...]) -> Tracklet:
    """A tracklet whose pictures show different colours."""
    shown = [tracklet(uuid, colour, pictures=1).exemplars[0] for colour in colours]
    return replace(tracklet(uuid, colours[0]), exemplars=tuple(shown))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Red as one person in two cameras, green, blue, and one seen in red once, in blue twice."""
    with open_archive(tmp_path) as opened:
        opened.add_tracklets(
            [
                tracklet("red-1", "red"),
                tracklet("red-2", "red", "cam-2", T0 + 60, pictures=3),
                tracklet("green-1", "green", "cam-2", T0 + 120),
                tracklet("blue-1", "blue", start_s=T0 + 180),
                two_coloured("mixed", ("red", "blue", "blue")),
                tracklet("unseen", "red", pictures=0),
            ],
            RUN,
        )
        opened.apply_links([LinkRecord("red-1", "new", identity_key="red")])
        person = opened.links(["red-1"])["red-1"].identity_id
        assert person is not None
        opened.apply_links([LinkRecord("red-2", "linked", identity_id=person)])
        yield opened


@pytest.fixture
def service(store: Store) -> SearchService:
    """A service that names clothing."""
    return SearchService(store, ColourEmbedder(readout=READOUT))


def by_hand(tracklets: list[Tracklet]) -> dict[str, dict[str, float]]:
    """Each tracklet's probabilities, one picture and one option after another."""
    found = {}
    for one in tracklets:
        logits: dict[str, float] = {}
        for row, option in enumerate(READOUT.options):
            values = [
                float(np.dot(READOUT.weight[row].astype(float), picture.global_feature))
                + float(READOUT.bias[row])
                for picture in one.exemplars
            ]
            logits[option] = sum(values) / len(values)
        found[one.uuid] = {
            option: float(np.exp(logits[option]) / sum(np.exp(logits[o]) for o in asked.options))
            for asked in READOUT.questions
            for option in asked.options
        }
    return found


def test_tracklets_are_read_from_all_their_pictures(store: Store) -> None:
    words = ("red upper", "green upper", "blue upper", "bag")
    index = VectorIndex(store, "colour-1", chunk_rows=2)
    found = fitting(READOUT, index, PersonFilter(wearing=words), "colour-1")
    expected = by_hand([one for one in store.tracklets() if one.exemplars])
    assert set(found.scores) == set(expected) == {"red-1", "red-2", "green-1", "blue-1", "mixed"}
    for uuid, probabilities in expected.items():
        said = dict(found.of(uuid))
        assert said == pytest.approx({word: probabilities[word] for word in words}, abs=5e-3)
        assert found.scores[uuid] == pytest.approx(probabilities["bag"], abs=5e-3)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (PersonFilter(wearing=("red upper",)), {"red-1", "red-2"}),
        (PersonFilter(wearing=("red upper", "green upper")), {"red-1", "red-2", "green-1"}),
        (PersonFilter(wearing=("blue upper",)), {"blue-1", "mixed"}),
        (PersonFilter(wearing=("red upper", "bag")), {"red-1", "red-2"}),
        (PersonFilter(wearing=("red upper", "hat")), set()),
        (PersonFilter(["cam-2"], wearing=("red upper", "green upper")), {"red-2", "green-1"}),
        (PersonFilter(start_s=T0 + 100, wearing=("red upper", "green upper")), {"green-1"}),
    ],
)
def test_who_fits(service: SearchService, where: PersonFilter, expected: set[str]) -> None:
    alone = service.search_by_wearing(where)
    with_picture = service.search_by_image(crop("blue"), where=where)
    for result in (alone, with_picture):
        assert {hit.tracklet_uuid for hit in result.hits} == expected
        assert all(0 <= hit.score <= 1 for hit in result.hits)


def test_the_best_fit_comes_first(service: SearchService) -> None:
    where = PersonFilter(wearing=("blue upper", "bag"))
    result = service.search_by_wearing(where)
    assert [hit.tracklet_uuid for hit in result.hits] == ["blue-1", "mixed"]
    first = result.hits[0]
    assert first.crop_path.endswith("blue-1_0.jpg")
    assert dict(first.why.wearing)["bag"] == pytest.approx(0.4, abs=1e-3)
    assert first.why.sentence() == first.why.worn() == "blue upper 0.99, bag 0.40"
    found = first.as_dict()["why"]
    assert (found["global_similarity"], found["query_picture"]) == (None, None)
    assert set(found["wearing"]) == {"blue upper", "bag"}
    assert len(service.search_by_wearing(where, limit=1).hits) == 1


def test_a_picture_orders_and_clothing_only_narrows(service: SearchService) -> None:
    plain = {hit.tracklet_uuid: hit.score for hit in service.search_by_image(crop("red")).hits}
    where = PersonFilter(wearing=("red upper", "blue upper"))
    hits = service.search_by_image(crop("red"), where=where).hits
    assert "green-1" in plain
    assert {hit.tracklet_uuid: hit.score for hit in hits} == pytest.approx(
        {uuid: score for uuid, score in plain.items() if uuid != "green-1"}
    )
    assert "whole body" in hits[0].why.sentence()
    assert hits[0].why.sentence().endswith("; " + hits[0].why.worn())


def test_other_questions_are_narrowed_too(service: SearchService) -> None:
    where = PersonFilter(wearing=("red upper",))
    more = service.search_by_tracklet("red-1", where=where)
    assert [hit.tracklet_uuid for hit in more.hits] == ["red-2"]
    person = service.search_by_identity(1, where=where)
    assert {hit.tracklet_uuid for hit in person.hits} == {"red-1", "red-2"}
    assert person.groups[0].identity_id == 1


def test_the_operator_is_told_how_many_fit_and_what_is_unreliable(service: SearchService) -> None:
    result = service.search_by_wearing(PersonFilter(wearing=("red upper",)))
    assert result.notice == "2 of 5 sightings may fit: red upper."
    result = service.search_by_wearing(PersonFilter(wearing=("red upper", "bag")))
    assert result.notice == (
        "2 of 5 sightings may fit: red upper, bag. Unreliable: “bag” lets 60% of the others pass."
    )
    assert unreliable_words(READOUT) == pytest.approx({"no bag": 0.7, "bag": 0.6})
    nobody = service.search_by_wearing(PersonFilter(wearing=("hat",)))
    assert nobody.notice == "Nobody seen by these cameras in this time range fits: hat."
    late = PersonFilter(start_s=T0 + 1e6, wearing=("hat",))
    assert "Nobody was seen" in str(service.search_by_wearing(late).notice)
    assert service.search_by_image(crop("red")).notice is None


def test_somebody_who_came_after_the_question_is_not_known_to_fit(store: Store) -> None:
    index = VectorIndex(store, "colour-1")
    found = fitting(READOUT, index, PersonFilter(wearing=("red upper",)), "colour-1")
    assert found.fits("red-1")
    assert not found.fits("green-1")
    assert not found.fits("later")
    assert set(found.narrow(SearchFilter(exclude_tracklets=["x"])).exclude_tracklets) == {
        "x",
        "green-1",
        "blue-1",
        "mixed",
    }


def test_clothing_is_in_the_audit_log(store: Store, service: SearchService) -> None:
    service.search_by_wearing(PersonFilter(["cam-1"], wearing=("red upper",)), actor="ada")
    line = store.audit_log(1)[0]
    assert (line.actor, line.details["by"], line.details["hits"]) == ("ada", "wearing", 1)
    assert (line.details["wearing"], line.details["cameras"]) == (["red upper"], ["cam-1"])
    with pytest.raises(SearchError):
        service.search_by_wearing(PersonFilter(wearing=("pink hat",)))
    assert "pink hat" in store.audit_log(1)[0].details["refused"]


def test_what_cannot_be_asked(store: Store, service: SearchService) -> None:
    red = PersonFilter(wearing=("red upper",))
    with pytest.raises(SearchError, match="“pink hat” is not known; known: red upper, green"):
        service.search_by_wearing(PersonFilter(wearing=("pink hat",)))
    with pytest.raises(SearchError, match="Say what the person wears"):
        service.search_by_wearing(SearchFilter())
    with pytest.raises(SearchError, match="At least one result"):
        service.search_by_wearing(red, limit=0)
    with pytest.raises(SearchError, match=r"no camera 'roof'"):
        service.search_by_wearing(PersonFilter(["roof"], wearing=("red upper",)))


@pytest.mark.parametrize("readout", [None, colour_readout("of another model")])
def test_an_embedder_that_names_nothing(store: Store, readout: object) -> None:
    mute = SearchService(store, ColourEmbedder(readout=readout))  # type: ignore[arg-type]
    red = PersonFilter(wearing=("red upper",))
    for ask in (
        lambda: mute.search_by_wearing(red),
        lambda: mute.search_by_image(crop("red"), where=red),
        lambda: mute.search_by_tracklet("red-1", where=red),
    ):
        with pytest.raises(SearchError, match="embedder names no clothing"):
            ask()
    assert len(mute.search_by_image(crop("red")).hits) == 5


def test_vectors_of_other_models_are_not_read(store: Store, service: SearchService) -> None:
    store.add_tracklets([tracklet("old", "red", fingerprint="colour-0")], RUN)
    with pytest.raises(SearchError, match=r"set embedder\.weights"):
        service.search_by_wearing(PersonFilter(wearing=("red upper",)))


def test_an_empty_archive_says_so(tmp_path: Path) -> None:
    red = PersonFilter(wearing=("red upper",))
    with open_archive(tmp_path) as empty, pytest.raises(SearchError, match="no people yet"):
        SearchService(empty, ColourEmbedder(readout=READOUT)).search_by_wearing(red)


def test_a_plain_filter_asks_nothing_about_clothing() -> None:
    assert worn(SearchFilter()) == ()
    assert worn(replace(PersonFilter(wearing=("hat",)), cameras=["a"])) == ("hat",)
