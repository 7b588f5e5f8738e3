"""What a tracker remembers of the people it follows."""

from __future__ import annotations

import numpy as np
import pytest
from tracker_builders import THREE_STAGES, Looks, Sighting, box, table_of, view

from trackers.frame_view import FrameView
from trackers.track_table import TrackTable

ROW = np.array([0])
NONE = np.zeros(0, np.int64)


def people(*xs: float) -> list[Sighting]:
    """Side by side."""
    return [Sighting(number, box(x)) for number, x in enumerate(xs)]


def sights(xs: list[float], embedded: list[int], time_s: float = 1.0) -> FrameView:
    """Confident people side by side, of whom some are embedded."""
    return view(people(*xs), time_s, embedded)


def table_with(x: float = 90.0, seen_s: float = 0.5) -> TrackTable:
    """One track that was seen once, without an embedding."""
    table = TrackTable(THREE_STAGES.motion, THREE_STAGES.appearance)
    table.add(sights([x], [], seen_s), ROW)
    return table


def test_a_track_takes_a_detection_as_its_newest_sight() -> None:
    table = table_with()
    frame = sights([300, 100], [1])
    table.observe(ROW, frame, np.array([1]))
    assert (table.seen_s[0], table.embedded_s[0], table.embeddings[0], table.hits[0]) == (
        1,
        1,
        1,
        2,
    )
    assert table.gallery.counts.tolist() == [1]
    np.testing.assert_array_equal(table.boxes_xyxy, box(100)[None])
    seen = table.histories[0].observations[-1]
    assert (seen.frame_index, seen.time_s, seen.row, seen.crowded) == (10, 1.0, 1, False)
    np.testing.assert_array_equal(seen.feature, Looks.of(1).whole)


def test_a_sight_without_embedding_teaches_nothing_about_looks() -> None:
    table = table_with()
    table.observe(ROW, sights([100], []), ROW)
    assert (table.seen_s[0], table.embedded_s[0], table.embeddings[0]) == (1.0, -np.inf, 0)
    assert table.gallery.counts.tolist() == [0]
    assert table.histories[0].observations[1].feature is None


def test_crowded_crops_enter_an_empty_gallery_only() -> None:
    table = table_with()
    for number in range(1, 4):
        table.observe(ROW, sights([100, 110], [0], float(number)), ROW)
        assert (table.gallery.counts[0], table.embeddings[0]) == (1, number)
    table.observe(ROW, sights([100], [0], 4.0), ROW)
    assert table.gallery.counts.tolist() == [2]


def test_ids_count_up_and_are_not_used_twice() -> None:
    table = table_of((1, 100, 0.1), (2, 200, 0.1))
    assert table.ids.tolist() == [1, 2]
    table.keep(np.array([False, False]))
    assert table.new_id() == 3
    table.add(sights([100, 200], []), np.array([0, 1]))
    assert table.ids.tolist() == [4, 5]


def test_types_survive_frames_without_births_and_empty_tables() -> None:
    table = table_of()
    kinds = {name: value.dtype for name, value in vars(table).items() if hasattr(value, "dtype")}
    assert (kinds["ids"], kinds["hits"], kinds["boxes_xyxy"]) == (np.int64, np.int64, np.float64)
    for time_s in (1.0, 2.0):
        table.add(sights([100], [0], time_s), NONE)
        table.observe(NONE, sights([100], [0], time_s), NONE)
        table.keep(np.ones(len(table), np.bool_))
        table.add(sights([100], [0], time_s), ROW)
        table.keep(np.zeros(len(table), np.bool_))
        assert {name: getattr(table, name).dtype for name in kinds} == kinds


def test_keep_drops_the_same_rows_of_everything() -> None:
    table = table_of(*((number, 100.0 * number, number / 10) for number in range(4)))
    table.keep(np.array([True, False, False, True]))
    assert len(table) == len(table.motion) == len(table.gallery) == len(table.histories) == 2
    assert table.ids.tolist() == [1, 4]
    assert table.seen_s.tolist() == [0.0, 0.3]
    assert table.motion.mean[:, 0, 0].tolist() == [0, 300]
    assert [h.observations[0].time_s for h in table.histories] == [0.0, 0.3]
    np.testing.assert_array_equal(table.boxes_xyxy, np.stack([box(0), box(300)]))
    found = table.gallery.distances(np.array([0, 1]), view([Sighting(3, box(0))]).embeddings)
    assert found[1, 0] < 0.3 < found[0, 0], "each row has kept its own looks"


@pytest.mark.parametrize("restart", [False, True])
def test_restart_forgets_the_way(restart: bool) -> None:
    table = table_of((1, 100, 0.0))
    for k in range(1, 5):
        table.motion.predict(0.1)
        table.observe(ROW, sights([100 + 10 * k], [], k / 10), ROW)
    table.motion.predict(0.1)
    table.observe(ROW, sights([300], [], 0.5), ROW, restart=restart)
    assert bool(np.isnan(table.directions(10)).all()) is restart
    assert (table.motion.mean[0, 0, 1] == 0) == restart
    assert table.hits.tolist() == [6]


@pytest.mark.parametrize("within_s", [0.1, 0.4, 5.0])
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_directions_by_hand(within_s: float, count: int) -> None:
    rng = np.random.default_rng(count)
    times = np.cumsum(rng.uniform(0.05, 0.2, count))
    places = rng.uniform(0, 500, count).astype(np.float32).astype(float).tolist()
    table = table_with(places[0], times[0])
    for x, time_s in zip(places[1:], times[1:], strict=True):
        table.observe(ROW, sights([x], [], float(time_s)), ROW)
    recent = [
        x for x, t in list(zip(places, times, strict=True))[-8:] if t >= times[-1] - within_s - 1e-6
    ]
    (found,) = table.directions(within_s)
    if len(recent) < 2:
        assert np.isnan(found).all()
    else:
        assert found.tolist() == pytest.approx([recent[-1] - recent[0], 0.0], abs=1e-4)


def test_directions_of_no_track() -> None:
    assert table_of().directions(0.4).shape == (0, 2)
