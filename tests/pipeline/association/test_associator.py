"""The associator on a real archive: stable, revisable, and obedient to the operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from association_builders import RUN, open_store, tracklet

from pipeline.association.associator import AssociationSummary, Associator, transit_windows
from pipeline.association.evidence import Calibration
from pipeline.config import AssociationConfig, CameraConfig, NeighbourConfig
from storage.store import Store
from storage.tracklets import Tracklet

PLAIN = Calibration(
    slope=2.0, offset=3.0, part_weight=0.0, prior_centre=0.0, prior_spread=0.13, prior_pairs=1e9
)
"""Fixed: strangers of 64 random numbers have a cosine of 0 +- 0.13; 0.39 is a coin's toss."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        yield opened


def camera(name: str, **neighbours: tuple[float, float]) -> CameraConfig:
    near = [NeighbourConfig(camera=n, transit_s=w) for n, w in neighbours.items()]
    return CameraConfig(id=name, url="demo:lobby", neighbours=near)


def associate(store: Store, **settings: float) -> AssociationSummary:
    config = SimpleNamespace(
        cameras=[camera("a", b=(2, 60)), camera("b"), camera("c")],
        association=AssociationConfig(**settings),
    )
    return Associator(store, config, PLAIN).run()


def add(store: Store, *tracklets: Tracklet) -> None:
    store.add_tracklets(list(tracklets), RUN)


def visits() -> list[Tracklet]:
    """Three people, each in three cameras: uuid is person and camera."""
    return [
        tracklet(f"{person}{place}", person, camera=place, start_s=100 * k + 20 * person)
        for person in range(3)
        for k, place in enumerate("abc")
    ]


def who(store: Store) -> dict[str, int | None]:
    return {uuid: link.identity_id for uuid, link in store.links().items()}


def partition(store: Store) -> set[frozenset[str]]:
    groups: dict[int | None, set[str]] = {}
    for uuid, identity in who(store).items():
        groups.setdefault(identity, set()).add(uuid)
    return {frozenset(group) for group in groups.values()}


def test_people_are_followed_across_cameras(store: Store) -> None:
    add(store, *visits())
    summary = associate(store)
    assert partition(store) == {frozenset(f"{p}{c}" for c in "abc") for p in range(3)}
    assert summary.as_dict() == {
        "tracklets": 9,
        "identities": 3,
        "linked": 9,
        "abstained": 0,
        "changed": 9,
    }
    assert [row.cameras for row in store.identities()] == [("a", "b", "c")] * 3


def test_the_reasons_are_stored(store: Store) -> None:
    add(store, *visits())
    associate(store)
    link = store.links()["0b"]
    assert link.outcome == "linked"
    assert link.probability is not None
    assert link.probability > 0.9
    assert link.best_match_tracklet in ("0a", "0c")
    assert link.rejected_identity_id in {who(store)["1a"], who(store)["2a"]}
    assert link.rejected_probability is not None
    assert link.rejected_probability < 0.5
    assert store.links()["0a"].outcome == "new"


def test_again_changes_nothing(store: Store) -> None:
    add(store, *visits(), tracklet("short", 9, length_s=0.1, exemplars=1, start_s=900))
    associate(store)
    before = store.links()
    history = {uuid: len(store.link_history(uuid)) for uuid in before}
    assert associate(store).changed == 0
    assert store.links() == before
    assert {uuid: len(store.link_history(uuid)) for uuid in before} == history
    assert len(store.identities()) == 3


def test_newcomers_join_and_numbers_stay(store: Store) -> None:
    add(store, *[t for t in visits() if t.camera != "c"])
    associate(store)
    before = who(store)
    add(store, *visits())
    assert associate(store).changed == 3
    after = who(store)
    assert {uuid: after[uuid] for uuid in before} == before
    assert after["2c"] == before["2a"]


def test_numbers_survive_a_restart(store: Store, tmp_path: Path) -> None:
    add(store, *visits())
    associate(store)
    before = who(store)
    with Store.open(store_url(tmp_path), tmp_path / "media", create=False) as again:
        assert associate(again).changed == 0
        assert who(again) == before


def store_url(folder: Path) -> str:
    from storage.store import sqlite_url

    return sqlite_url(folder / "store")


def test_later_evidence_revises_an_earlier_decision(store: Store) -> None:
    """Front and back look like two people until somebody is seen turning round."""
    front, back = tracklet("front", 1), tracklet("back", 2, camera="c", start_s=400)
    add(store, front, back)
    associate(store)
    first = who(store)
    assert first["front"] != first["back"]
    between = tracklet("both", 1, camera="b", start_s=200)
    exemplars = [*between.exemplars[:2], *tracklet("x", 2).exemplars[:2]]
    add(store, Tracklet(**{**vars(between), "exemplars": tuple(exemplars)}))
    config = SimpleNamespace(cameras=[], association=AssociationConfig())
    eager = Calibration(**{**vars(PLAIN), "offset": 2.0})
    Associator(store, config, eager).run()
    after = who(store)
    assert after["front"] == after["both"] == after["back"]
    assert after["front"] in first.values()
    changed = "back" if after["front"] == first["front"] else "front"
    assert [link.identity_id for link in store.link_history(changed)] == [
        first[changed],
        after[changed],
    ]


def test_an_operator_joins_and_it_stays(store: Store) -> None:
    add(store, *visits())
    associate(store)
    store.decide("must_link", "0a", "1a", "operator")
    associate(store)
    assert who(store)["0a"] == who(store)["1a"]
    assert store.links()["0a"].outcome == "confirmed"
    assert associate(store).changed == 0


def test_an_operator_takes_apart_and_it_stays(store: Store) -> None:
    add(store, *visits())
    associate(store)
    for other in ("0b", "0c"):
        store.decide("cannot_link", "0a", other, "operator")
    associate(store)
    after = who(store)
    assert after["0b"] == after["0c"] != after["0a"]
    assert after["0a"] not in {after["1a"], after["2a"]}
    assert associate(store).changed == 0


def test_an_operator_takes_two_pieces_of_one_track_apart(store: Store) -> None:
    pieces = [tracklet(f"p{k}", 1, start_s=30 * k, length_s=29, track="one") for k in range(3)]
    add(store, *pieces)
    associate(store)
    assert len(partition(store)) == 1
    store.decide("cannot_link", "p0", "p2", "operator")
    associate(store)
    assert who(store)["p0"] != who(store)["p2"]


def test_pieces_of_one_track_stay_together_whatever_they_look_like(store: Store) -> None:
    add(store, *[tracklet(f"p{k}", k, start_s=30 * k, track="one") for k in range(3)])
    associate(store)
    assert len(partition(store)) == 1


def test_nobody_is_twice_in_one_camera_at_one_time(store: Store) -> None:
    """Twins: the same looks, side by side, and once more in another camera."""
    add(
        store,
        tracklet("l", 1, x=100),
        tracklet("r", 1, x=500),
        tracklet("x", 1, camera="b", start_s=60),
    )
    associate(store)
    found = who(store)
    assert found["l"] != found["r"]
    assert found["x"] in (found["l"], found["r"])


def test_a_higher_probability_links_less(store: Store) -> None:
    add(store, *visits())
    assert associate(store, link_probability=1.0).linked == 0
    assert associate(store, link_probability=0.5).linked == 9


def test_a_glimpse_of_a_stranger_abstains(store: Store) -> None:
    add(store, *visits(), tracklet("short", 9, length_s=0.1, exemplars=1, start_s=900))
    assert associate(store).abstained == 1
    assert store.links()["short"].outcome == "abstained"
    assert who(store)["short"] is None


def test_what_cannot_be_compared_is_left_out(store: Store) -> None:
    """Nothing embedded, or embedded by another model than the newest tracklet's."""
    add(store, *visits())
    associate(store)
    before = who(store)
    add(
        store,
        tracklet("mute", 0, exemplars=0, start_s=500),
        tracklet("new0", 0, fingerprint="model-b", start_s=600),
        tracklet("new1", 0, fingerprint="model-b", camera="b", start_s=700),
    )
    summary = associate(store)
    after = who(store)
    assert {uuid: after[uuid] for uuid in before} == before
    assert after["new0"] == after["new1"]
    assert after["new0"] not in before.values()
    assert "mute" not in after
    assert (summary.tracklets, summary.abstained) == (12, 10)


def test_only_the_window_is_considered(store: Store) -> None:
    add(store, tracklet("old", 1))
    associate(store, window_s=100)
    add(store, tracklet("late", 1, start_s=5000))
    assert associate(store, window_s=100).tracklets == 1


def test_old_footage_that_comes_late_is_considered_too(store: Store) -> None:
    """A recording of last week is searched today, after one of this week."""
    add(store, tracklet("new", 1, start_s=600_000))
    associate(store, window_s=100)
    add(store, tracklet("old", 2), tracklet("mute", 3, start_s=-900, exemplars=0))
    assert associate(store, window_s=100).tracklets == 2
    assert who(store)["old"] is not None
    add(store, tracklet("newer", 1, start_s=600_500))
    assert associate(store, window_s=100).tracklets == 1, "what is decided is not dragged along"


def test_everything_is_the_whole_archive(store: Store) -> None:
    add(store, tracklet("old", 1), tracklet("late", 1, start_s=5000))
    associate(store, window_s=100)
    config = SimpleNamespace(cameras=[], association=AssociationConfig(window_s=100))
    assert Associator(store, config, PLAIN).run(everything=True).tracklets == 2
    assert who(store)["old"] == who(store)["late"]


@pytest.mark.parametrize("mute", [False, True])
def test_an_archive_without_anybody(store: Store, mute: bool) -> None:
    if mute:
        add(store, tracklet("mute", exemplars=0))
    summary = associate(store)
    assert summary.as_dict() == {
        "tracklets": int(mute),
        "identities": 0,
        "linked": 0,
        "abstained": int(mute),
        "changed": 0,
    }
    assert store.identities() == []


def test_walking_times_hold_in_both_directions_unless_said_otherwise() -> None:
    cameras = [camera("a", b=(1, 5), c=(2, 6)), camera("b", a=(3, 9)), camera("c")]
    assert transit_windows(cameras) == {
        ("a", "b"): (1, 5),
        ("b", "a"): (3, 9),
        ("a", "c"): (2, 6),
        ("c", "a"): (2, 6),
    }
