"""How often the tracker asks for an embedding, and what it remembers."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from tracker_builders import (
    CONFIDENT,
    EVERY_PRESET,
    FAINT,
    THREE_STAGES,
    Drive,
    Sighting,
    box,
    table_of,
    three_stages,
)

from trackers.detections import Detections
from trackers.economy import worth_embedding
from trackers.presets import build_tracker
from trackers.staged_config import EconomyConfig, StageConfig


def calm(frames: int, people: int = 4) -> list[list[Sighting]]:
    return [
        [Sighting(p, box(60 + 200 * p + 0.2 * k, 150)) for p in range(people)]
        for k in range(frames)
    ]


def test_a_calm_scene_saves_most_embeddings() -> None:
    run = Drive(three_stages(economy=EconomyConfig(calm_interval_s=1.0))).run(calm(200), fps=25)
    assert run.shown == 800
    assert run.requested < 0.1 * run.shown
    assert [run.ids(p) for p in range(4)] == [{1}, {2}, {3}, {4}]


def test_every_box_when_that_is_asked_for() -> None:
    run = Drive(three_stages(economy=EconomyConfig(every_box=True))).run(calm(50), fps=25)
    assert run.requested == run.shown == 200


def test_new_people_are_always_embedded() -> None:
    run = Drive(three_stages())
    assert run.frame(0, 0.0, calm(1)[0]).all()
    for k, here in enumerate(calm(60)[1:], 1):
        run.frame(k, k / 25, here)
    asked = run.frame(60, 60 / 25, [*calm(61)[60], Sighting(9, box(900, 150))])
    assert asked[-1]


def test_a_long_known_person_is_looked_at_now_and_then() -> None:
    run = Drive(three_stages(economy=EconomyConfig(calm_interval_s=0.5)))
    times = [k / 25 for k, here in enumerate(calm(250, 1)) if run.frame(k, k / 25, here)[0]]
    late = np.diff([t for t in times if t > 2])
    assert len(late) > 10
    np.testing.assert_allclose(late, 0.52, atol=0.021)


def test_crowded_people_are_embedded_more_often() -> None:
    def requests(distance: float) -> int:
        people = [(1, 100.0), (2, 100.0 + distance)]
        scene = [[Sighting(p, box(x)) for p, x in people] for _ in range(100)]
        return Drive(three_stages()).run(scene, fps=25).requested

    assert requests(distance=25) > 1.8 * requests(distance=300)


def test_faint_and_broken_boxes_are_never_embedded() -> None:
    run = Drive(three_stages())
    nothing = np.array([0, np.nan, 10, 50], np.float32)
    asked = run.frame(0, 0.0, [Sighting(1, box(100), 0.2), Sighting(2, nothing)])
    assert not asked.any()


def worth(
    sightings: list[Sighting], stage: StageConfig = CONFIDENT, **economy: float
) -> list[bool]:
    """Whom a tracker of one stage, who follows one person well known at x = 100, wants to see."""
    table = table_of((1, 100, 0.9))
    table.embeddings[:] = 4
    detections = Detections(
        np.array([s.box_xyxy for s in sightings], np.float32).reshape(-1, 4),
        np.array([s.score for s in sightings], np.float32),
    )
    config = replace(
        THREE_STAGES, stages={"only": stage}, economy=replace(THREE_STAGES.economy, **economy)
    )
    return worth_embedding(table, table.boxes_xyxy, 1.0, detections, config).tolist()


@pytest.mark.parametrize(
    ("sightings", "settings", "expected"),
    [
        ([Sighting(1, box(102))], {}, [False]),  # known, and embedded 0.1 s ago
        ([Sighting(1, box(102))], {"calm_interval_s": 0.1}, [True]),
        ([Sighting(1, box(102))], {"young_embeddings": 5}, [False]),
        ([Sighting(1, box(102))], {"young_embeddings": 5, "crowd_interval_s": 0.1}, [True]),
        ([Sighting(1, box(102)), Sighting(2, box(120))], {"crowd_interval_s": 0.1}, [True, True]),
        ([Sighting(1, box(102)), Sighting(2, box(300))], {"crowd_interval_s": 0.1}, [False, True]),
        ([Sighting(1, box(102), 0.3)], {"every_box": True}, [False]),
        ([Sighting(1, box(102), 0.3)], {"every_box": True, "min_score": 0.2}, [True]),
        ([], {}, []),
    ],
)
def test_who_is_worth_an_embedding(
    sightings: list[Sighting], settings: dict[str, float], expected: list[bool]
) -> None:
    assert worth(sightings, **settings) == expected


def test_people_are_embedded_even_where_no_stage_looks() -> None:
    """Their tracklets are searched and joined by it."""
    seen = [Sighting(2, box(300)), Sighting(1, box(9), 0.1)]
    assert worth(seen, FAINT) == worth(seen, FAINT, every_box=True) == [True, False]


@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_asking_changes_nothing(preset: str) -> None:
    """A journal repeats the frames, not always the questions."""
    asked, silent = (Drive(build_tracker(preset, {"economy.every_box": True})) for _ in range(2))
    for k, here in enumerate(calm(20)):
        for _ in range(3):
            boxes = np.stack([s.box_xyxy for s in here])
            asked.tracker.embedding_requests(k / 10 + 0.05, Detections(boxes, np.full(4, 0.9)))
        asked.frame(k, k / 10, here)
        silent.frame(k, k / 10, here)
    assert str(asked.tracker.live()) == str(silent.tracker.live()) != "[]"
    assert str(asked.tracker.close()) == str(silent.tracker.close())


def test_memory_stays_bounded() -> None:
    """People come and go for 5,000 frames; what is held does not grow with time."""
    run = Drive(three_stages(piece_s=5.0))
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
