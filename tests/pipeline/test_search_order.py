"""The order of results: the same every time, whatever was stored first or how many are wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_builders import RUN, T0, ColourEmbedder, crop, open_archive, tracklet

from pipeline.search import SearchService
from storage.records import LinkRecord, SearchFilter
from storage.store import Store

COLOURS = ("red", "green", "blue")
PEOPLE = [(f"{colour}-{n}", colour, n) for n in range(4) for colour in COLOURS]
few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Four tracklets that look exactly alike of each colour, ten seconds apart, in two cameras."""
    with open_archive(tmp_path_factory.mktemp("twins")) as opened:
        opened.add_tracklets(
            [
                tracklet(uuid, colour, f"cam-{n % 2 + 1}", T0 + 10 * n, pictures=1)
                for uuid, colour, n in PEOPLE
            ],
            RUN,
        )
        red = [LinkRecord(f"red-{n}", "new", identity_key="red") for n in range(2)]
        opened.apply_links([*red, LinkRecord("green-0", "new", identity_key="green")])
        yield opened


@pytest.fixture(scope="module")
def service(store: Store) -> SearchService:
    return SearchService(store, ColourEmbedder())


def names(service: SearchService, colour: str, **asked: object) -> list[str]:
    found = service.search_by_image(crop(colour), **asked)  # type: ignore[arg-type]
    return [hit.tracklet_uuid for group in found.groups for hit in group.hits]


def test_equals_come_in_the_order_in_which_they_were_stored(service: SearchService) -> None:
    result = service.search_by_image(crop("blue"))
    best = [group.hits[0] for group in result.groups[:4]]
    assert [hit.tracklet_uuid for hit in best] == [f"blue-{n}" for n in range(4)]
    assert len({hit.score for hit in best}) == 1


@pytest.mark.parametrize("colour", COLOURS)
def test_the_same_search_gives_the_same_answer(
    store: Store, service: SearchService, colour: str
) -> None:
    first = service.search_by_image(crop(colour)).as_dict()
    assert service.search_by_image(crop(colour)).as_dict() == first
    assert SearchService(store, ColourEmbedder()).search_by_image(crop(colour)).as_dict() == first


@few
@given(limit=st.integers(1, 14), colour=st.sampled_from(COLOURS))
def test_fewer_results_are_the_best_of_more(
    service: SearchService, limit: int, colour: str
) -> None:
    def ranked(most: int) -> list[tuple[str, float]]:
        hits = service.search_by_image(crop(colour), limit=most).hits
        return [(hit.tracklet_uuid, hit.score) for hit in hits]

    every, some = ranked(100), ranked(limit)
    assert len(some) == min(limit, len(PEOPLE))
    assert [score for _, score in some] == [score for _, score in every][:limit]
    assert set(some) <= set(every)


@few
@given(
    cameras=st.none() | st.sets(st.sampled_from(["cam-1", "cam-2"]), min_size=1),
    span=st.none() | st.tuples(st.integers(-2, 8), st.integers(0, 8)),
    identity=st.sampled_from([None, None, 1, 2]),
    colour=st.sampled_from(COLOURS),
)
def test_filters_exclude_whoever_does_not_fit(
    service: SearchService,
    cameras: set[str] | None,
    span: tuple[int, int] | None,
    identity: int | None,
    colour: str,
) -> None:
    start = None if span is None else T0 + 5.0 * span[0]
    end = None if start is None or span is None else start + 5.0 * span[1]
    where = SearchFilter(cameras=cameras, start_s=start, end_s=end, identity=identity)
    people = {1: {"red-0", "red-1"}, 2: {"green-0"}}
    expected = {
        uuid
        for uuid, _, n in PEOPLE
        if (cameras is None or f"cam-{n % 2 + 1}" in cameras)
        and (start is None or T0 + 10 * n + 1 >= start)
        and (end is None or T0 + 10 * n <= end)
        and (identity is None or uuid in people[identity])
    }
    found = names(service, colour, where=where)
    assert set(found) == expected
    assert len(found) == len(expected), "nobody twice"


def test_a_group_is_as_good_as_its_best_hit_and_sorted_inside(service: SearchService) -> None:
    result = service.search_by_image(crop("red", 20))
    for group in result.groups:
        scores = [hit.score for hit in group.hits]
        assert scores == sorted(scores, reverse=True)
        assert group.score == scores[0]
    assert [group.score for group in result.groups] == sorted(
        (group.score for group in result.groups), reverse=True
    )
    assert len({group.identity_id for group in result.groups if group.identity_id}) == 2


def test_more_like_this_never_answers_with_itself(service: SearchService) -> None:
    where = SearchFilter(cameras=["cam-1"])
    found = service.search_by_tracklet("red-0", where=where)
    assert [hit.tracklet_uuid for hit in found.hits][:1] == ["red-2"]
    assert "red-0" not in {hit.tracklet_uuid for hit in found.hits}
    assert {hit.camera for hit in found.hits} == {"cam-1"}


def test_a_search_that_leaves_only_the_query_finds_nobody(service: SearchService) -> None:
    where = SearchFilter(cameras=["cam-1"], end_s=T0 + 2, identity=1)
    result = service.search_by_tracklet("red-0", where=where)
    assert result.groups == ()
    assert result.notice is not None
