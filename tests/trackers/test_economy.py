"""How often the tracker asks for an embedding, and what it remembers."""

from __future__ import annotations

import pickle

import numpy as np
from tracker_builders import Drive, Sighting, box
from trackers.crosswalk import CrosswalkConfig, CrosswalkTracker


def calm(frames: int, people: int = 4) -> list[list[Sighting]]:
    return [
        [Sighting(p, box(60 + 200 * p + 0.2 * k, 150)) for p in range(people)]
        for k in range(frames)
    ]


def test_a_calm_scene_saves_most_embeddings() -> None:
    run = Drive(CrosswalkTracker(CrosswalkConfig(embed_interval_s=1.0))).run(calm(200), fps=25)
    assert run.shown == 800
    assert run.requested < 0.1 * run.shown
    assert [run.ids(p) for p in range(4)] == [{1}, {2}, {3}, {4}]


def test_every_box_when_that_is_asked_for() -> None:
    run = Drive(CrosswalkTracker(CrosswalkConfig(embed_every_box=True))).run(calm(50), fps=25)
    assert run.requested == run.shown == 200


def test_new_people_are_always_embedded() -> None:
    run = Drive(CrosswalkTracker())
    assert run.frame(0, 0.0, calm(1)[0]).all()
    for k, here in enumerate(calm(60)[1:], 1):
        run.frame(k, k / 25, here)
    asked = run.frame(60, 60 / 25, [*calm(61)[60], Sighting(9, box(900, 150))])
    assert asked[-1]


def test_a_long_known_person_is_looked_at_now_and_then() -> None:
    run = Drive(CrosswalkTracker(CrosswalkConfig(embed_interval_s=0.5)))
    times = [k / 25 for k, here in enumerate(calm(250, 1)) if run.frame(k, k / 25, here)[0]]
    late = np.diff([t for t in times if t > 2])
    assert len(late) > 10
    np.testing.assert_allclose(late, 0.52, atol=0.021)


def test_crowded_people_are_embedded_more_often() -> None:
    def requests(distance: float) -> int:
        people = [(1, 100.0), (2, 100.0 + distance)]
        scene = [[Sighting(p, box(x)) for p, x in people] for _ in range(100)]
        return Drive(CrosswalkTracker()).run(scene, fps=25).requested

    assert requests(distance=25) > 1.8 * requests(distance=300)


def test_faint_and_broken_boxes_are_never_embedded() -> None:
    run = Drive(CrosswalkTracker())
    nothing = np.array([0, np.nan, 10, 50], np.float32)
    asked = run.frame(0, 0.0, [Sighting(1, box(100), 0.2), Sighting(2, nothing)])
    assert not asked.any()


def test_memory_stays_bounded() -> None:
    """People come and go for 5,000 frames; what is held does not grow with time."""
    run = Drive(CrosswalkTracker(CrosswalkConfig(piece_s=5.0)))
    held = []
    for k in range(5000):
        shown = [p for p in range(2) if (k // 50 + p) % 3 == 0]
        here = [Sighting(p, box(100 + 150 * p + k % 50)) for p in shown]
        run.frame(k, k / 10, here)
        run.pieces.clear()
        run.who.clear()
        if k % 20 == 0:
            held.append(len(pickle.dumps(run.tracker)))
    early, late = held[:50], held[-50:]
    assert max(late) < 1.3 * max(early)
    assert len(run.tracker.live()) < 20
