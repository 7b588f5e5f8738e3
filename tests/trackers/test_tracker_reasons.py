"""Reasons in hand-made scenes: who was matched, who was second, who waits, began and ended."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from tracker_builders import LOST, Sighting, box, table_of, view

from trackers.reasons import explain, explain_births, explain_ends
from trackers.staged_config import BirthConfig
from trackers.stages import StageOutcome, births, match

INF = math.inf


def explained(
    cost: list[list[float]],
    pairs: list[tuple[int, int]],
    limit: float = 0.8,
    vetoes: dict[str, list[list[bool]]] | None = None,
    looks: list[list[float]] | None = None,
    overlap: list[list[float]] | None = None,
) -> dict[str, Any]:
    """What is said of a stage in which tracks 1, 2 ... met detections 0, 1 ... at these costs."""
    costs = np.array(cost)
    table = table_of(*((k, 100.0 * k, 0.9 - k / 10) for k in range(len(costs))))
    frame = view([Sighting(0, box(50.0 * k), 0.5) for k in range(costs.shape[1])])
    terms = {"overlap": 1 - np.where(np.isinf(costs), 1.0, costs)}
    if overlap is not None:
        terms["overlap"] = np.array(overlap)
    if looks is not None:
        terms["appearance"] = np.array(looks)
    outcome = StageOutcome(
        np.arange(len(costs)),
        np.arange(costs.shape[1]),
        costs,
        terms,
        {name: np.array(forbidden) for name, forbidden in (vetoes or {}).items()},
        np.array(pairs, np.int64).reshape(-1, 2),
        limit,
    )
    return explain(frame, "test", outcome, table)


def runner_up(*args: Any, **settings: Any) -> tuple[int, float | None, str]:
    """Of the first match."""
    second = explained(*args, **settings)["matches"][0]["runner_up"]
    return second["track"], second["cost"], second["why"]


def best(*args: Any, **settings: Any) -> tuple[int, float | None, str]:
    """Of the first free detection."""
    first = explained(*args, **settings)["free"][0]["best"]
    return first["track"], first["cost"], first["why"]


def test_a_match_and_its_runner_up() -> None:
    said = explained([[0.18], [0.41], [0.7]], [(0, 0)])
    assert said == {
        "frame": 10,
        "time_s": 1.0,
        "stage": "test",
        "limit": 0.8,
        "matches": [
            {
                "track": 1,
                "detection": 0,
                "score": 0.5,
                "box_ltwh": [-20.0, 150.0, 40.0, 100.0],
                "cost": 0.18,
                "terms": {"overlap": 0.82, "unseen_s": 0.1},
                "runner_up": {
                    "track": 2,
                    "cost": 0.41,
                    "terms": {"overlap": 0.59, "unseen_s": 0.2},
                    "why": "cost 0.41 > 0.18 of track 1",
                },
            }
        ],
        "free": [],
        "waiting": [
            {
                "track": 2,
                "best": {
                    "detection": 0,
                    "score": 0.5,
                    "box_ltwh": [-20.0, 150.0, 40.0, 100.0],
                    "cost": 0.41,
                    "terms": {"overlap": 0.59, "unseen_s": 0.2},
                    "why": "cost 0.41 > 0.18 of track 1",
                },
            },
            {
                "track": 3,
                "best": {
                    "detection": 0,
                    "score": 0.5,
                    "box_ltwh": [-20.0, 150.0, 40.0, 100.0],
                    "cost": 0.7,
                    "terms": {"overlap": 0.3, "unseen_s": 0.3},
                    "why": "cost 0.7 > 0.18 of track 1",
                },
            },
        ],
    }


def test_without_a_second_track_there_is_no_runner_up() -> None:
    assert explained([[0.18]], [(0, 0)])["matches"][0]["runner_up"] is None


def test_why_a_runner_up_lost() -> None:
    assert runner_up([[0.3], [0.3]], [(0, 0)]) == (2, 0.3, "cost 0.3 >= 0.3 of track 1")
    assert runner_up([[0.3], [0.95]], [(0, 0)]) == (2, 0.95, "over the limit: 0.95 >= 0.8")
    assert runner_up([[0.3, INF], [0.2, 0.12]], [(0, 0), (1, 1)]) == (
        2,
        0.2,
        "its track was taken by detection 1 at 0.12",
    )
    forbidden = {"min_overlap": [[False], [False]], "max_speed": [[False], [True]]}
    assert runner_up([[0.3], [INF]], [(0, 0)], vetoes=forbidden) == (2, None, "veto max_speed")
    forbidden["min_overlap"] = [[False], [True]]
    why = runner_up([[0.3], [INF]], [(0, 0)], vetoes=forbidden)[2]
    assert why == "veto min_overlap, max_speed"


def test_why_a_detection_stayed_free() -> None:
    taken = "its track was taken by detection 0 at 0.12"
    assert best([[0.12, 0.2]], [(0, 0)]) == (1, 0.2, taken)
    assert best([[0.12, 0.85]], [(0, 0)]) == (1, 0.85, "over the limit: 0.85 >= 0.8")
    assert best([[0.9], [0.8]], []) == (2, 0.8, "over the limit: 0.8 >= 0.8")
    far = {"max_growth": [[True], [True]]}
    assert best([[INF], [INF]], [], vetoes=far) == (1, None, "veto max_growth")


def test_of_forbidden_tracks_the_one_that_looks_nearest_is_named() -> None:
    vetoed = {"veto_distance": [[True], [True], [True]]}
    said = best([[INF]] * 3, [], vetoes=vetoed, looks=[[0.9], [0.7], [math.nan]])
    assert said[0] == 2


def test_of_forbidden_tracks_the_one_that_overlaps_most_is_named() -> None:
    vetoed = {"min_overlap": [[True], [True], [True]]}
    looks = [[0.1], [0.9], [0.2]]
    said = best([[INF]] * 3, [], vetoes=vetoed, looks=looks, overlap=[[0.0], [0.1], [0.05]])
    assert said[0] == 2


def test_what_is_unknown_is_null() -> None:
    said = explained([[0.2]], [(0, 0)], limit=INF, looks=[[math.nan]])
    assert said["limit"] is None
    assert said["matches"][0]["terms"]["appearance"] is None
    json.dumps(said, allow_nan=False)


def test_a_twin_is_left_to_nobody() -> None:
    """Somebody who looks like two lost ones."""
    table = table_of((1, 100, 0.9), (1, 160, 0.9))
    frame = view([Sighting(1, box(230))])
    outcome = match(LOST, table, table.boxes_xyxy, frame, 2)
    assert outcome is not None
    said = explain(frame, "lost", outcome, table)["free"][0]["best"]
    assert said["why"] == "veto margin"
    looks = float(outcome.terms["appearance"][0, 0])
    assert said["terms"]["appearance"] == pytest.approx(looks, abs=1e-5)


def test_births_and_why_others_are_none() -> None:
    """One begins; one is too faint, one lies on a tracked body; a matched one is not told."""
    table = table_of((1, 100, 1.0))
    frame = view(
        [
            Sighting(1, box(100)),
            Sighting(2, box(400), 0.9),
            Sighting(3, box(600), 0.3),
            Sighting(4, box(104), 0.8),
        ]
    )
    frame.free[0] = False
    config = BirthConfig(min_score=0.5, max_cover=0.7)
    columns = births(table, frame, config)
    table.add(frame, columns)
    said = explain_births(frame, table, columns, config)
    assert (said["frame"], said["time_s"], said["stage"]) == (10, 1.0, "births")
    assert said["born"] == [
        {"track": 2, "detection": 1, "score": 0.9, "box_ltwh": [380.0, 150.0, 40.0, 100.0]}
    ]
    assert {one["detection"]: one["why"] for one in said["not_born"]} == {
        2: "score 0.3 < 0.5",
        3: "a tracked box covers more than 0.7 of it",
    }


def test_ends_and_why() -> None:
    table = table_of((1, 100, 0.5), (2, 300, 0.75), (3, 500, 1.0))
    said = explain_ends(view([]), table, np.array([0, 1]), np.array([False, True, False]))
    assert said["stage"] == "ends"
    assert said["ended"] == [
        {"track": 1, "hits": 1, "why": "unseen for 0.5 s"},
        {"track": 2, "hits": 1, "why": "duplicate of another track"},
    ]


def waits(*args: Any, **settings: Any) -> list[tuple[int, int, str]]:
    """Track, detection and reason of the tracks that got none."""
    said = explained(*args, **settings)["waiting"]
    return [(w["track"], w["best"]["detection"], w["best"]["why"]) for w in said]


def test_why_a_track_waits() -> None:
    assert waits([[0.18]], [(0, 0)]) == []
    assert waits([[0.18, 0.7], [0.41, 0.5]], [(0, 0)], limit=0.45) == [
        (2, 0, "cost 0.41 > 0.18 of track 1")
    ]
    assert waits([[0.9, 0.85]], []) == [(1, 1, "over the limit: 0.85 >= 0.8")]
    far = {"max_speed": [[True]]}
    assert waits([[INF]], [], vetoes=far) == [(1, 0, "veto max_speed")]
