"""What a search found in words and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from search_builders import T0

from pipeline.search_results import (
    Group,
    Hit,
    SearchResult,
    Why,
    iso,
    link_sentence,
    person_title,
)
from storage.records import LinkRecord

WHY = Why(0.81234, 0.31239, query_index=2, exemplar_rank=0, exemplar_time_s=T0 + 0.25)


def hit(uuid: str, score: float, why: Why = WHY) -> Hit:
    return Hit(uuid, "door", T0, T0 + 1.5, f"crops/{uuid}.jpg", score, why)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (LinkRecord("t", "confirmed", 1, probability=1.0), "identity confirmed by an operator"),
        (LinkRecord("t", "new", 1, probability=0.9), "identity started here"),
        (LinkRecord("t", "linked", 1), "identity linked"),
        (LinkRecord("t", "abstained"), "no identity was certain enough"),
        (
            LinkRecord("t", "linked", 1, probability=0.934, global_similarity=0.5, transit_s=61.7),
            "identity linked (probability 0.93, similarity 0.50, 62 s apart)",
        ),
        (LinkRecord("t", "linked", 1, transit_s=0.0), "identity linked (0 s apart)"),
        (
            LinkRecord("t", "abstained", probability=0.4, rejected_identity_id=7),
            "no identity was certain enough (probability 0.40, next best was person 7)",
        ),
    ],
)
def test_why_a_tracklet_has_its_identity(link: LinkRecord, expected: str) -> None:
    assert link_sentence(link) == expected


def test_the_evidence_in_words() -> None:
    assert WHY.sentence() == "whole body 0.81, part distance 0.31, nearest picture 1"
    blind = replace(WHY, part_distance=None, link=LinkRecord("t", "new", 1))
    assert blind.sentence() == (
        "whole body 0.81, no body part visible in both, nearest picture 1; identity started here"
    )


@pytest.mark.parametrize(
    ("identity", "label", "expected"),
    [
        (None, None, "Not assigned to a person"),
        (None, "Ann", "Not assigned to a person"),
        (4, None, "Person 4"),
        (4, "", "Person 4"),
        (4, "Ann", "Ann (person 4)"),
    ],
)
def test_titles(identity: int | None, label: str | None, expected: str) -> None:
    assert person_title(identity, label) == expected
    assert Group(identity, label, (hit("t", 0.5),)).title == expected


def test_hits_of_all_groups_come_best_first_and_ties_by_name() -> None:
    result = SearchResult(
        (
            Group(1, None, (hit("b", 0.9), hit("d", 0.2))),
            Group(None, None, (hit("c", 0.9), hit("a", 0.2))),
        )
    )
    assert [one.tracklet_uuid for one in result.hits] == ["b", "c", "a", "d"]
    assert result.groups[0].score == 0.9


def test_results_are_plain_json() -> None:
    link = LinkRecord("t", "linked", 3, probability=0.9, best_match_tracklet="u", transit_s=4.0)
    result = SearchResult((Group(3, "Ann", (hit("t", 0.12345, replace(WHY, link=link)),)),), 9, "n")
    found = json.loads(json.dumps(result.as_dict()))
    assert (found["compared"], found["notice"]) == (9, "n")
    (group,) = found["groups"]
    assert (group["identity"], group["label"], group["score"]) == (3, "Ann", 0.1235)
    (one,) = group["hits"]
    assert one["start_utc"] == "2026-01-05T08:00:00.000+00:00"
    assert one["end_utc"] == "2026-01-05T08:00:01.500+00:00"
    assert (one["tracklet"], one["camera"], one["crop"]) == ("t", "door", "crops/t.jpg")
    why = one["why"]
    assert (why["global_similarity"], why["part_distance"]) == (0.8123, 0.3124)
    assert why["exemplar_utc"] == "2026-01-05T08:00:00.250+00:00"
    assert why["link"]["best_match_tracklet"] == "u"
    assert "decided_at" not in why["link"]


def test_unknown_parts_and_links_are_null() -> None:
    found = hit("t", 1.0, replace(WHY, part_distance=None)).as_dict()["why"]
    assert (found["part_distance"], found["link"]) == (None, None)


def test_nobody_found() -> None:
    assert SearchResult(notice="nobody").as_dict() == {
        "groups": [],
        "compared": 0,
        "notice": "nobody",
    }


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [(0.0, "1970-01-01T00:00:00.000+00:00"), (-1.5, "1969-12-31T23:59:58.500+00:00")],
)
def test_times_are_utc(time_s: float, expected: str) -> None:
    assert iso(time_s) == expected
