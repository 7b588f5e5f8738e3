"""Which pictures a person is searched with, and what cannot be searched for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from search_builders import T0, ColourEmbedder, crop, tracklet

from pipeline.search_picture import SearchError
from pipeline.search_query import (
    MAX_QUERY_PICTURES,
    Query,
    check_query,
    filter_dict,
    query_of,
    sentence,
)
from storage.records import SearchFilter
from storage.tracklets import Tracklet

RED = ColourEmbedder().embed([crop("red")])


def with_qualities(uuid: str, *qualities: float) -> Tracklet:
    made = tracklet(uuid, "red", pictures=len(qualities))
    pictures = zip(made.exemplars, qualities, strict=True)
    return replace(made, exemplars=tuple(replace(one, quality=q) for one, q in pictures))


def test_the_best_picture_of_each_tracklet_comes_first() -> None:
    query = query_of([with_qualities("a", 0.5, 0.9), with_qualities("b", 0.7)])
    assert query.owners == ("b", "a", "a"), "by rank, then by quality"
    assert query.vectors.fingerprint == "colour-1"
    assert len(query.vectors) == 3


def test_every_tracklet_is_heard_before_any_is_heard_twice() -> None:
    many = [with_qualities(f"t{n:02}", 0.1 + n / 100, 0.99) for n in range(MAX_QUERY_PICTURES)]
    query = query_of(many)
    assert sorted(query.owners) == [one.uuid for one in many]
    assert query.owners[0] == "t15"


def test_a_query_is_bounded() -> None:
    query = query_of([tracklet(f"t{n:02}", "red") for n in range(30)])
    assert len(query.vectors) == len(query.owners) == MAX_QUERY_PICTURES


def test_vectors_stay_with_their_pictures() -> None:
    red, blue = tracklet("r", "red", pictures=1), tracklet("b", "blue", pictures=1)
    query = query_of([red, replace(blue, exemplars=(replace(blue.exemplars[0], quality=0.1),))])
    assert query.owners == ("r", "b")
    assert (query.vectors.global_features[0] == red.exemplars[0].global_feature).all()
    assert (query.vectors.part_features[1] == blue.exemplars[0].part_features).all()


@pytest.mark.parametrize(
    ("tracklets", "expected"),
    [
        ([], "no picture to search with"),
        ([tracklet("a", "red", pictures=0)], "no picture to search with"),
        (
            [tracklet("a", "red"), tracklet("b", "red", fingerprint="colour-2")],
            "described by different models and cannot be compared",
        ),
    ],
)
def test_what_makes_no_query(tracklets: list[Tracklet], expected: str) -> None:
    with pytest.raises(SearchError, match=expected):
        query_of(tracklets)


def test_another_model_without_pictures_does_not_matter() -> None:
    mute = tracklet("b", "red", pictures=0, fingerprint="colour-2")
    assert query_of([tracklet("a", "red"), mute]).vectors.fingerprint == "colour-1"


@pytest.mark.parametrize(
    ("vectors", "where", "limit", "expected"),
    [
        (RED[0:0], SearchFilter(), 1, "no picture to search with"),
        (RED, SearchFilter(), 0, "At least one result must be asked for, not 0"),
        (RED, SearchFilter(), -3, "not -3"),
        (RED, SearchFilter(start_s=T0 + 1, end_s=T0), 1, "ends before it begins; swap"),
    ],
)
def test_what_cannot_be_searched(
    vectors: object, where: SearchFilter, limit: int, expected: str
) -> None:
    with pytest.raises(SearchError, match=expected):
        check_query(vectors, where, limit)  # type: ignore[arg-type]


def test_a_moment_is_a_time_range() -> None:
    check_query(RED, SearchFilter(start_s=T0, end_s=T0), 1)
    assert Query(RED).owners == ()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (SearchFilter(), {}),
        (SearchFilter(cameras=[]), {"cameras": []}),
        (SearchFilter(cameras={"b", "a"}), {"cameras": ["a", "b"]}),
        (SearchFilter(start_s=0.0, end_s=2.5), {"start_s": 0.0, "end_s": 2.5}),
        (SearchFilter(identity=3, exclude_tracklets=["t"]), {"in_identity": 3}),
    ],
)
def test_the_audit_log_says_what_was_asked(
    where: SearchFilter, expected: dict[str, object]
) -> None:
    assert filter_dict(where) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("there is none", "There is none."), ("Really?", "Really?"), ("", "."), ("é.", "É.")],
)
def test_errors_become_sentences(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_pictures_know_their_cameras() -> None:
    query = query_of([tracklet("r", "red", "cam-1", pictures=1), tracklet("b", "blue", "cam-2")])
    assert dict(zip(query.owners, query.cameras, strict=True)) == {"r": "cam-1", "b": "cam-2"}
