"""Every link says why: outcome, probability, best match, and what was rejected."""

from __future__ import annotations

import numpy as np
import pytest
from association_builders import evidence_of, nodes_of, tracklet

from pipeline.association.reasons import explain
from storage.records import LinkRecord
from storage.tracklets import Tracklet

LOG_ODDS = np.array([[9, 2, 1, -1], [2, 9, 3, -2], [1, 3, 9, -3], [-1, -2, -3, 9]], float)
PEOPLE = [tracklet(u, start_s=20 * k, camera="ab"[k % 2]) for k, u in enumerate("tuvw")]
GROUPS = np.array([0, 0, 0, 3])


def records(
    people: list[Tracklet] = PEOPLE,
    names: dict[int, int | None] | None = None,
    forbidden: np.ndarray | None = None,
    decisions: tuple[tuple[str, str, str], ...] = (),
    groups: np.ndarray = GROUPS,
) -> dict[str, LinkRecord]:
    found = explain(
        nodes_of(people),
        groups,
        names or {0: 7, 3: None},
        evidence_of(LOG_ODDS),
        np.zeros((4, 4), bool) if forbidden is None else forbidden,
        {("a", "b"): (3.0, 30.0)},
        decisions,
    )
    assert [r.tracklet_uuid for r in found] == [t.uuid for t in people]
    return {r.tracklet_uuid: r for r in found}


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_outcomes() -> None:
    found = records()
    assert {u: r.outcome for u, r in found.items()} == {
        "t": "new",  # the earliest of its group opened it
        "u": "linked",
        "v": "linked",
        "w": "new",
    }
    assert [found[u].identity_id for u in "tuvw"] == [7, 7, 7, None]
    assert found["w"].identity_key is not None
    assert found["t"].identity_key is None


def test_probability_is_that_of_the_mean_evidence_for_the_group() -> None:
    found = records()
    assert found["u"].probability == pytest.approx(sigmoid((2 + 3) / 2))
    assert found["v"].probability == pytest.approx(sigmoid((1 + 3) / 2))
    assert found["w"].probability is None, "nothing to compare with"


def test_the_best_match_and_its_numbers() -> None:
    found = records()
    assert [found[u].best_match_tracklet for u in "tuv"] == ["u", "v", "u"]
    assert found["w"].best_match_tracklet is None
    link = found["u"]
    assert link.global_similarity == pytest.approx(0.3)
    assert link.part_distance == pytest.approx(0.47)


def test_the_walk_between_neighbours_is_told() -> None:
    link = records()["t"]  # t in a ends at 4 s, u in b starts at 20 s
    assert link.transit_s == pytest.approx(16.0)
    assert (link.transit_expected_min_s, link.transit_expected_max_s) == (3.0, 30.0)
    assert records()["u"].transit_s is None, "from b to a nothing is known"


def test_the_best_rejected_identity() -> None:
    found = records()
    assert found["t"].rejected_identity_key == found["w"].identity_key
    assert found["t"].rejected_probability == pytest.approx(sigmoid(-1))
    assert found["w"].rejected_identity_id == 7
    assert found["w"].rejected_probability == pytest.approx(sigmoid(-2))


def test_what_is_forbidden_was_no_alternative() -> None:
    forbidden = np.zeros((4, 4), bool)
    forbidden[0, 3] = forbidden[3, 0] = True
    found = records(forbidden=forbidden)
    assert found["t"].rejected_probability is None
    assert found["w"].rejected_identity_id is None
    assert found["u"].rejected_probability == pytest.approx(sigmoid(-2))


def test_too_little_to_stand_alone_abstains() -> None:
    short = tracklet("w", start_s=60, camera="b", length_s=0.1, exemplars=1)
    found = records([*PEOPLE[:3], short], names={0: 7, 3: 8})
    assert found["w"].outcome == "abstained"
    assert found["w"].identity_id is None
    assert found["w"].identity_key is None
    joined = records([*PEOPLE[:3], short], names={0: 7}, groups=np.zeros(4, np.int64))
    assert joined["w"].outcome == "linked", "it may still belong to somebody"


def test_confirmed_by_an_operator() -> None:
    found = records(decisions=(("must_link", "t", "u"), ("cannot_link", "v", "w")))
    assert {u: r.outcome for u, r in found.items()} == {
        "t": "confirmed",
        "u": "confirmed",
        "v": "linked",
        "w": "new",
    }
    assert found["u"].probability == 1.0
    assert found["u"].identity_id == 7


def test_a_confirmation_needs_both_tracklets() -> None:
    assert records(decisions=(("must_link", "u", "elsewhere"),))["u"].outcome == "linked"


def test_nobody() -> None:
    nothing = np.zeros((0, 0))
    empty = evidence_of(nothing)
    assert explain(nodes_of([]), np.zeros(0, np.int64), {}, empty, nothing > 0, {}) == []
