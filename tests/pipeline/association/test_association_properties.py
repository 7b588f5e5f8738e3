"""For any scene: nobody twice in one place, an operator's word, and no order of arrival."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from association_builders import RUN, open_store, tracklet
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.associator import Associator
from pipeline.association.clustering import cluster
from pipeline.association.constraints import apply_decisions, cannot_link
from pipeline.association.evidence import Calibration
from pipeline.config import AssociationConfig
from storage.store import Store
from storage.tracklets import Tracklet

EAGER = Calibration(slope=2.0, offset=1.0, prior_spread=0.13, prior_pairs=1e9)
"""Joins whatever looks a little alike, so that only the constraints keep people apart."""
PLACES = (100.0, 105.0, 500.0)
some = settings(max_examples=40, deadline=None)
few = settings(max_examples=5, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Scene:
    """Tracklets of a few people who look alike, and what an operator said about pairs."""

    tracklets: list[Tracklet]
    decisions: list[tuple[str, str, str]]

    @property
    def by_uuid(self) -> dict[str, Tracklet]:
        return {one.uuid: one for one in self.tracklets}


@st.composite
def scenes(draw: st.DrawFn, *, decided: bool = True) -> Scene:
    """Up to nine tracklets; pieces of one track follow each other, as a tracker makes them."""
    made: list[Tracklet] = []
    for track in range(draw(st.integers(1, 5))):
        start_s = draw(st.integers(0, 20)) / 2
        camera, person = draw(st.sampled_from("ab")), draw(st.integers(0, 2))
        for piece in range(draw(st.integers(1, 2))):
            length_s = draw(st.sampled_from([0.5, 2.0, 4.0]))
            made.append(
                tracklet(
                    f"t{track}{piece}",
                    person,
                    camera=camera,
                    start_s=start_s,
                    length_s=length_s,
                    x=draw(st.sampled_from(PLACES)),
                    exemplars=draw(st.integers(1, 4)),
                    noise=1.0,
                    track=f"track-{track}",
                )
            )
            start_s += length_s + 0.1
    pairs = list(combinations([one.uuid for one in made], 2))
    kinds = st.sampled_from(["must_link", "cannot_link"])
    said = st.lists(st.sampled_from(pairs), max_size=3, unique=True) if pairs else st.just([])
    chosen = draw(said) if decided else []
    return Scene(made, [(draw(kinds), *pair) for pair in chosen])


def associate(store: Store, scene: Scene) -> int:
    """One pass after the operator has spoken; returns how many links changed."""
    for kind, one, other in scene.decisions:
        store.decide(kind, one, other, "op")  # type: ignore[arg-type]
    config = SimpleNamespace(cameras=[], association=AssociationConfig(window_s=1e6))
    return Associator(store, config, EAGER).run().changed


def identities(store: Store) -> dict[str, int]:
    return {u: r.identity_id for u, r in store.links().items() if r.identity_id is not None}


def groups(named: dict[str, int]) -> set[frozenset[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for uuid, identity in named.items():
        found[identity].add(uuid)
    return {frozenset(group) for group in found.values()}


def musts(scene: Scene) -> dict[str, int]:
    """What an operator joined over any number of steps: equal numbers for one person."""
    label = {one.uuid: number for number, one in enumerate(scene.tracklets)}
    for kind, one, other in scene.decisions:
        if kind == "must_link":
            gone, kept = label[one], label[other]
            label = {uuid: kept if now == gone else now for uuid, now in label.items()}
    return label


@few
@given(scenes(decided=False))
def test_nobody_is_in_two_places_of_one_camera_at_one_time(scene: Scene) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.add_tracklets(scene.tracklets, RUN)
        associate(store, scene)
        named = identities(store)
    for one, other in combinations(scene.tracklets, 2):
        together = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
        apart = abs(one.boxes_xyxy[0, 0] - other.boxes_xyxy[0, 0]) > 100
        if one.camera == other.camera and together > 0.3 and apart:
            assert named.get(one.uuid, -1) != named.get(other.uuid, -2)


@few
@given(scenes())
def test_an_operators_word_is_kept(scene: Scene) -> None:
    joined = musts(scene)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.add_tracklets(scene.tracklets, RUN)
        associate(store, scene)
        named = identities(store)
    for kind, one, other in scene.decisions:
        if kind == "must_link":
            assert named[one] == named[other]
        elif joined[one] != joined[other]:
            assert named.get(one, -1) != named.get(other, -2)


@few
@given(scenes())
def test_a_second_pass_changes_nothing(scene: Scene) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.add_tracklets(scene.tracklets, RUN)
        associate(store, scene)
        before = identities(store)
        assert associate(store, scene) == 0
        assert identities(store) == before


@few
@given(scene=scenes(), data=st.data())
def test_the_order_of_arrival_does_not_matter(scene: Scene, data: st.DataObject) -> None:
    """Workers deliver when they can: tracklets arrive in any order, in any number of batches."""
    other = data.draw(st.permutations(scene.tracklets), "order of arrival")
    cut = data.draw(st.integers(0, len(other)), "first batch")
    found = []
    for batches in ([scene.tracklets], [other[:cut], other[cut:]]):
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
            for batch in batches:
                store.add_tracklets(batch, RUN)
            associate(store, scene)
            found.append(groups(identities(store)))
    assert found[0] == found[1]


@some
@given(scenes(decided=False))
def test_cannot_link_is_symmetric_and_never_against_oneself(scene: Scene) -> None:
    forbidden = cannot_link(scene.tracklets)
    assert (forbidden == forbidden.T).all()
    assert not forbidden.diagonal().any()
    for (i, one), (j, other) in combinations(enumerate(scene.tracklets), 2):
        if forbidden[i, j]:
            assert one.camera == other.camera
            assert min(one.end_s, other.end_s) > max(one.start_s, other.start_s)


@some
@given(scene=scenes(decided=False), seed=seeds)
def test_cannot_link_does_not_depend_on_the_order(scene: Scene, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(scene.tracklets))
    shuffled = cannot_link([scene.tracklets[k] for k in order])
    np.testing.assert_array_equal(shuffled, cannot_link(scene.tracklets)[np.ix_(order, order)])


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Evidence, weights and constraints of up to ten items, without contradictions."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 11))
    log_odds = np.tril(rng.normal(0, 3, (count, count)), -1)
    required = np.tril(rng.random((count, count)) < 0.1, -1)
    forbidden = np.tril(rng.random((count, count)) < 0.2, -1)
    required, forbidden = required | required.T, forbidden | forbidden.T
    reach = required | np.eye(count, dtype=bool)
    for _ in range(count):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return log_odds + log_odds.T, rng.uniform(0.05, 1, count), forbidden & ~reach, required


def together(labels: np.ndarray) -> np.ndarray:
    return labels[:, None] == labels[None]


@some
@given(seed=seeds)
def test_clusters_do_not_depend_on_the_order_of_items(seed: int) -> None:
    log_odds, weights, forbidden, required = drawn(seed)
    order = np.random.default_rng(seed + 1).permutation(len(weights))
    square = np.ix_(order, order)
    shuffled = cluster(log_odds[square], weights[order], forbidden[square], required[square])
    straight = cluster(log_odds, weights, forbidden, required)
    np.testing.assert_array_equal(together(shuffled), together(straight)[square])


@some
@given(seed=seeds)
def test_a_higher_threshold_never_joins_more(seed: int) -> None:
    log_odds, weights, forbidden, required = drawn(seed)
    counts = [
        len(set(cluster(log_odds, weights, forbidden, required, threshold).tolist()))
        for threshold in (-20.0, 0.0, 2.0, 20.0)
    ]
    assert counts == sorted(counts)


@some
@given(seed=seeds)
def test_without_evidence_only_what_is_required_comes_together(seed: int) -> None:
    _, weights, forbidden, required = drawn(seed)
    nothing = np.full(forbidden.shape, -1.0)
    labels = cluster(nothing, weights, forbidden, required)
    reach = required | np.eye(len(required), dtype=bool)
    for _ in range(len(required)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    np.testing.assert_array_equal(together(labels), reach)


@some
@given(seed=seeds)
def test_decisions_bind_whatever_was_there_before(seed: int) -> None:
    """must_link beats cannot_link only where an operator said both, over other tracklets."""
    rng = np.random.default_rng(seed)
    people = [tracklet(u, start_s=100 * k) for k, u in enumerate("abcdefg")]
    pairs = list(combinations(range(len(people)), 2))
    said = rng.permutation(len(pairs))[: int(rng.integers(0, 6))]
    decisions = [
        (str(rng.choice(["must_link", "cannot_link"])), *(people[k].uuid for k in pairs[at]))
        for at in said
    ]
    _, _, forbidden, required = drawn(seed)
    size = len(people)
    forbidden = np.resize(forbidden, (size, size))
    required = np.resize(required, (size, size))
    for matrix in (forbidden, required):
        matrix[:] = np.tril(matrix, -1) | np.tril(matrix, -1).T
    required &= ~forbidden
    apply_decisions(people, decisions, forbidden, required)
    labels = cluster(np.full((size, size), 9.0), np.ones(size), forbidden, required)
    joined = musts(Scene(people, decisions))  # type: ignore[arg-type]
    row = {one.uuid: k for k, one in enumerate(people)}
    for kind, one, other in decisions:
        if kind == "must_link":
            assert labels[row[one]] == labels[row[other]]
        elif joined[one] != joined[other]:
            assert labels[row[one]] != labels[row[other]]
    assert (required == required.T).all()
    assert (forbidden == forbidden.T).all()


def test_joining_two_tracks_does_not_put_one_person_in_two_places(tmp_path: Path) -> None:
    """An operator joins the beginnings of two tracks whose ends were two people side by side."""
    tracklets = [
        tracklet("a0", 1, start_s=0, length_s=4, track="a"),
        tracklet("a1", 1, start_s=20, length_s=4, track="a", x=100),
        tracklet("b0", 1, start_s=10, length_s=4, track="b"),
        tracklet("b1", 1, start_s=20, length_s=4, track="b", x=500),
    ]
    scene = Scene(tracklets, [("must_link", "a0", "b0")])
    with open_store(tmp_path) as store:
        store.add_tracklets(tracklets, RUN)
        associate(store, scene)
        named = identities(store)
    assert named["a0"] == named["b0"], "the operator's word"
    assert named["a1"] != named["b1"], "one person, two places, one time"
