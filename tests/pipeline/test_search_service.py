"""What the search finds, in which order, and what it says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from search_builders import RUN, T0, ColourEmbedder, crop, open_archive, tracklet

from pipeline.search import SearchError, SearchService
from storage.records import LinkRecord, SearchFilter
from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Red twice as one person, green as another, blue nobody yet in two pieces of a track."""
    with open_archive(tmp_path) as opened:
        opened.add_tracklets(
            [
                tracklet("red-1", "red"),
                tracklet("red-2", "red", "cam-2", T0 + 60, pictures=3),
                tracklet("green-1", "green", "cam-2", T0 + 120),
                tracklet("blue-1", "blue", start_s=T0 + 180, track="track-blue"),
                tracklet("blue-2", "blue", start_s=T0 + 181.5, track="track-blue"),
                tracklet("unseen", "blue", pictures=0),
            ],
            RUN,
        )
        opened.apply_links(
            [
                LinkRecord("red-1", "new", identity_key="red"),
                LinkRecord("green-1", "new", identity_key="green"),
            ]
        )
        red = opened.links(["red-1"])["red-1"].identity_id
        assert red is not None
        opened.apply_links(
            [LinkRecord("red-2", "linked", identity_id=red, probability=0.93, transit_s=59.0)]
        )
        opened.set_label(red, "Ms Red", "test")
        yield opened


@pytest.fixture
def service(store: Store) -> SearchService:
    """A service with the colour embedder."""
    return SearchService(store, ColourEmbedder())


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("red", {"red-1", "red-2"}), ("green", {"green-1"}), ("blue", {"blue-1", "blue-2"})],
)
def test_a_picture_finds_its_person_first(
    service: SearchService, colour: str, expected: set[str]
) -> None:
    result = service.search_by_image(crop(colour))
    assert {hit.tracklet_uuid for hit in result.groups[0].hits} == expected
    assert result.groups[0].score > 0.98
    scores = [group.score for group in result.groups]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= hit.score <= 1 for hit in result.hits)
    assert len(result.hits) == 5
    assert result.compared == 11


def test_only_the_box_counts(service: SearchService) -> None:
    scene = np.full((200, 200, 3), 128, np.uint8)
    scene[20:84, 10:42] = crop("red")
    scene[100:164, 90:122] = crop("green")
    left = service.search_by_image(scene, [10, 20, 42, 84])
    right = service.search_by_image(scene, np.array([90, 100, 122, 164], np.float32))
    assert left.groups[0].label == "Ms Red"
    assert right.groups[0].hits[0].tracklet_uuid == "green-1"


def test_groups_are_people_or_tracks(service: SearchService) -> None:
    groups = service.search_by_image(crop("blue")).groups
    assert sorted(len(group.hits) for group in groups) == [1, 2, 2]
    assert groups[0].identity_id is None
    assert groups[0].title == "Not assigned to a person"
    named = next(group for group in groups if group.label)
    assert named.title == f"Ms Red (person {named.identity_id})"


def test_a_hit_says_why(service: SearchService) -> None:
    hits = {hit.tracklet_uuid: hit for hit in service.search_by_image(crop("red", 40)).hits}
    why = hits["red-2"].why
    assert why.exemplar_rank == 2
    assert why.exemplar_time_s == pytest.approx(T0 + 60.2)
    assert hits["red-2"].crop_path.endswith("red-2_2.jpg")
    assert why.global_similarity == pytest.approx(1, abs=1e-3)
    assert why.part_distance == pytest.approx(0, abs=0.1)
    assert "probability 0.93" in why.sentence()
    assert "59 s apart" in why.sentence()
    assert hits["blue-1"].why.link is None
    assert "identity started here" in hits["red-1"].why.sentence()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (SearchFilter(cameras=["cam-2"]), {"red-2", "green-1"}),
        (SearchFilter(start_s=T0 + 100), {"green-1", "blue-1", "blue-2"}),
        (SearchFilter(end_s=T0 + 100), {"red-1", "red-2"}),
        (SearchFilter(cameras=["cam-1"], start_s=T0 + 181.2), {"blue-2"}),
        (SearchFilter(identity=1), {"red-1", "red-2"}),
    ],
)
def test_filters_narrow(service: SearchService, where: SearchFilter, expected: set[str]) -> None:
    result = service.search_by_image(crop("red"), where=where)
    assert {hit.tracklet_uuid for hit in result.hits} == expected


def test_limit_and_shortlist(store: Store, service: SearchService) -> None:
    assert len(service.search_by_image(crop("red"), limit=2).hits) == 2
    short = SearchService(store, ColourEmbedder(), shortlist=3).search_by_image(crop("red"))
    assert short.compared == 3
    assert {hit.tracklet_uuid for hit in short.hits} <= {"red-1", "red-2"}


def test_more_like_this_leaves_itself_out(service: SearchService) -> None:
    result = service.search_by_tracklet("red-1")
    assert "red-1" not in {hit.tracklet_uuid for hit in result.hits}
    assert result.hits[0].tracklet_uuid == "red-2"


def test_a_person_is_found_with_their_own_pictures(service: SearchService) -> None:
    result = service.search_by_identity(1)
    assert result.groups[0].identity_id == 1
    assert {hit.tracklet_uuid for hit in result.groups[0].hits} == {"red-1", "red-2"}
    assert result.groups[0].score > 0.98


def test_search_by_embedding(service: SearchService) -> None:
    both = ColourEmbedder().embed([crop("green"), crop("blue")])
    hits = {hit.tracklet_uuid: hit for hit in service.search_by_embedding(both).hits}
    assert hits["green-1"].why.query_index == 0
    assert hits["blue-1"].why.query_index == 1
    assert hits["green-1"].score > 0.98 < hits["blue-1"].score


def test_results_become_json(service: SearchService) -> None:
    found = json.loads(json.dumps(service.search_by_image(crop("red")).as_dict()))
    first = found["groups"][0]
    assert first["label"] == "Ms Red"
    by_uuid = {hit["tracklet"]: hit for hit in first["hits"]}
    assert by_uuid["red-1"]["start_utc"] == "2026-01-05T08:00:00.000+00:00"
    assert by_uuid["red-2"]["why"]["link"]["outcome"] == "linked"
    assert found["notice"] is None


def test_every_search_is_logged(store: Store, service: SearchService) -> None:
    where = SearchFilter(cameras=["cam-2"], start_s=T0)
    service.search_by_image(crop("red"), where=where, actor="ada")
    line = store.audit_log(1)[0]
    assert (line.actor, line.action) == ("ada", "search")
    assert line.details["by"] == "image"
    assert line.details["cameras"] == ["cam-2"]
    assert line.details["hits"] == 2
    with pytest.raises(SearchError):
        service.search_by_tracklet("nobody", actor="bob")
    line = store.audit_log(1)[0]
    assert line.actor == "bob"
    assert line.details["tracklet"] == "nobody"
    assert "no tracklet" in line.details["refused"]


def test_what_cannot_be_searched(store: Store, service: SearchService) -> None:
    with pytest.raises(SearchError, match="no tracklet x"):
        service.search_by_tracklet("x")
    with pytest.raises(SearchError, match="no picture"):
        service.search_by_tracklet("unseen")
    with pytest.raises(SearchError, match="no identity 99"):
        service.search_by_identity(99)
    empty = store.new_identity()
    with pytest.raises(SearchError, match=f"Person {empty} has no pictures"):
        service.search_by_identity(empty)
    with pytest.raises(SearchError, match="swap"):
        service.search_by_image(crop("red"), where=SearchFilter(start_s=2.0, end_s=1.0))
    with pytest.raises(SearchError, match="At least one result"):
        service.search_by_image(crop("red"), limit=0)
    with pytest.raises(SearchError, match="no camera 'roof'; known: cam-1, cam-2"):
        service.search_by_image(crop("red"), where=SearchFilter(cameras=["roof"]))
    with pytest.raises(SearchError, match="No embedder"):
        SearchService(store, None).search_by_image(crop("red"))


def test_other_models_are_refused(store: Store) -> None:
    other = SearchService(store, ColourEmbedder("colour-2"))
    with pytest.raises(SearchError, match=r"set embedder\.weights to the model of that time"):
        other.search_by_image(crop("red"))
    assert other.search_by_tracklet("red-1").hits[0].tracklet_uuid == "red-2"


def test_an_empty_archive_says_so(tmp_path: Path) -> None:
    with open_archive(tmp_path) as empty, pytest.raises(SearchError, match="no people yet"):
        SearchService(empty, ColourEmbedder()).search_by_image(crop("red"))


def test_nobody_in_the_range_is_a_notice(service: SearchService) -> None:
    result = service.search_by_image(crop("red"), where=SearchFilter(start_s=T0 + 1e6))
    assert result.groups == ()
    assert result.notice is not None
    assert "Nobody was seen" in result.notice


def test_erased_people_are_not_found(store: Store, service: SearchService) -> None:
    service.search_by_image(crop("red"))
    store.erase_identity(1, "test")
    found = {hit.tracklet_uuid for hit in service.search_by_image(crop("red")).hits}
    assert found == {"green-1", "blue-1", "blue-2"}
