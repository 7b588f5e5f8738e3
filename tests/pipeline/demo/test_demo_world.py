"""The demo's story: who is where, and that its ground truth is exact."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import CameraConfig, load_config
from pipeline.demo import DemoSource, demo_ground_truth, demo_views, write_ground_truth
from pipeline.demo.choreography import FPS, FRAME_COUNT, walks
from pipeline.demo.people import PEOPLE
from pipeline.demo.render import layers_of, render
from pipeline.errors import SourceError
from pipeline.sources import Source, open_source

VIEWS = demo_views()
DEMO_YAML = Path(__file__).parents[3] / "configs" / "demo.yaml"


def presence() -> dict[int, list[tuple[str, int, int]]]:
    """Per person the views in order, with first and last frame seen."""
    spans: dict[tuple[int, str], list[int]] = defaultdict(list)
    for view in VIEWS:
        for row in demo_ground_truth(view):
            spans[row.identity, view].append(row.frame)
    found: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for (identity, view), frames in spans.items():
        found[identity].append((view, min(frames), max(frames)))
    return {k: sorted(v, key=lambda span: span[1]) for k, v in found.items()}


@pytest.mark.slow
def test_three_views_and_at_least_eight_people_in_two_or_more() -> None:
    assert len(VIEWS) == 3
    seen = presence()
    assert sum(len(spans) >= 2 for spans in seen.values()) >= 8
    assert sum(len(spans) >= 3 for spans in seen.values()) >= 2
    assert set(seen) <= set(PEOPLE)


@pytest.mark.slow
def test_nobody_is_in_two_views_at_one_time() -> None:
    for spans in presence().values():
        for (_, _, last), (_, first, _) in pairwise(spans):
            assert first > last


@pytest.mark.slow
def test_transit_times_are_those_of_the_configuration() -> None:
    config = load_config(DEMO_YAML)
    limits = {
        (camera.id, n.camera): n.transit_s for camera in config.cameras for n in camera.neighbours
    }
    transits = []
    for spans in presence().values():
        for (before, _, last), (after, first, _) in pairwise(spans):
            low, high = limits[before, after]
            seconds = (first - last) / FPS
            assert low <= seconds <= high, (before, after, seconds)
            transits.append(seconds)
    assert len(transits) >= 10


def test_people_walk_both_ways_come_nearer_and_hide_each_other() -> None:
    for view in VIEWS:
        rows = demo_ground_truth(view)
        heights = [row.box_xyxy[3] - row.box_xyxy[1] for row in rows if row.visibility > 0.95]
        assert max(heights) > 1.5 * min(heights)
        assert sum(row.visibility < 0.9 for row in rows) >= 20
        directions = {np.sign(w.points[-1][0] - w.points[0][0]) for w in walks() if w.view == view}
        assert {-1.0, 1.0} <= directions


def test_speed_is_that_of_walking() -> None:
    assert all(1.0 <= walk.speed_mps <= 1.7 for walk in walks())
    for walk in walks():
        times = np.arange(walk.start_s, walk.end_s, 0.1)
        spots = np.array([place[0] for t in times if (place := walk.at(float(t)))])
        steps = np.linalg.norm(np.diff(spots, axis=0), axis=1)
        assert steps.max() <= walk.speed_mps * 0.1 + 1e-6


@pytest.mark.parametrize("view", VIEWS)
def test_boxes_lie_inside_and_match_the_drawn_outline(view: str) -> None:
    rows = demo_ground_truth(view)
    assert rows == sorted(rows, key=lambda row: (row.frame, row.identity))
    for row in rows:
        left, top, right, bottom = row.box_xyxy
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480
        assert 0 < row.visibility <= 1
    for frame in range(0, FRAME_COUNT, 37):
        layers = sorted(layers_of(view, frame), key=lambda layer: layer.depth_m)
        owner = np.zeros((480, 640), int)
        for layer in layers[::-1]:
            owner[layer.window][layer.bgra[..., 3] >= 128] = layer.identity
        here = {row.identity: row for row in rows if row.frame == frame}
        assert set(here) == set(np.unique(owner)) - {0}
        for identity, row in here.items():
            ys, xs = np.nonzero(owner == identity)
            assert row.box_xyxy == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            [layer] = [one for one in layers if one.identity == identity]
            assert row.visibility == pytest.approx(len(ys) / layer.area)


@pytest.mark.parametrize("view", VIEWS)
def test_people_are_drawn_where_the_truth_says(view: str) -> None:
    from pipeline.demo.scenes import scene

    empty = scene(view).background.astype(int)
    image, seen = render(view, 100)
    changed = np.abs(image.astype(int) - empty).max(2) > 40
    assert seen
    for one in seen:
        left, top, right, bottom = (int(edge) for edge in one.box_xyxy)
        assert changed[top:bottom, left:right].mean() > 0.2


def test_the_same_frame_is_drawn_every_time() -> None:
    from pipeline.demo.sprite import paint_person

    first, truth = render("lobby", 30)
    paint_person.cache_clear()
    again, same = render("lobby", 30)
    assert np.array_equal(first, again)
    assert truth == same
    assert not np.array_equal(first, render("lobby", 31)[0])


def test_views_look_different() -> None:
    means = np.array([render(view, 0)[0].reshape(-1, 3).mean(0) for view in VIEWS])
    for a in range(3):
        for b in range(a):
            assert np.abs(means[a] - means[b]).max() > 15


def test_unknown_view_and_frame() -> None:
    with pytest.raises(KeyError):
        demo_ground_truth("moon")
    with pytest.raises(IndexError, match=r"frame 300 is outside 0\.\.299"):
        render("lobby", FRAME_COUNT)


def test_source_offers_frames_like_any_other() -> None:
    source = open_source(CameraConfig(id="cam9", url="demo:yard", fps_cap=2, clock_offset_s=1))
    assert isinstance(source, DemoSource)
    assert isinstance(source, Source)
    info = source.info
    assert (info.width, info.height, info.fps, info.frame_count) == (640, 480, 10, 300)
    assert info.start_time_utc == datetime(2026, 1, 5, 8, 0, 1, tzinfo=UTC)
    source.seek(286)
    frames = list(source)
    assert [f.index for f in frames] == [290, 295]
    assert frames[0].camera == "cam9"
    assert frames[0].time_utc == info.start_time_utc + timedelta(seconds=29)
    assert np.array_equal(frames[0].image_bgr, render("yard", 290)[0])
    with pytest.raises(ValueError, match="negative"):
        source.seek(-1)


def test_source_can_be_closed_and_refuses_unknown_views() -> None:
    source = DemoSource(CameraConfig(id="a", url="demo:lobby"))
    assert next(iter(source)).index == 0
    source.close()
    assert list(source) == []
    unchecked = CameraConfig.model_construct(id="a", url="demo:moon", fps_cap=None)
    with pytest.raises(SourceError, match="no view 'moon'"):
        DemoSource(unchecked)


def test_ground_truth_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "gt"
    paths = write_ground_truth(folder, {"c1": "lobby", "c2": "yard"})
    assert sorted(p.name for p in paths) == ["c1.txt", "c2.txt", "ignore_c1.txt", "ignore_c2.txt"]
    kept = np.loadtxt(folder / "c1.txt", delimiter=",")
    ignored = np.loadtxt(folder / "ignore_c1.txt", delimiter=",")
    assert kept.shape[1] == 9
    assert ignored.shape[1] == 6
    assert len(kept) + len(ignored) == len(demo_ground_truth("lobby"))
    assert kept[:, 0].min() >= 1
    assert kept[:, 8].min() >= 0.35
    assert (ignored[:, 1] == -1).all()
    first = next(row for row in demo_ground_truth("lobby") if row.visibility >= 0.35)
    assert kept[0, :4].tolist() == [first.frame + 1, first.identity, *first.box_xyxy[:2]]
    with pytest.raises(FileExistsError, match="choose another folder"):
        write_ground_truth(folder, {"c1": "lobby"})


def test_ground_truth_is_named_by_view_by_default(tmp_path: Path) -> None:
    names = {path.name for path in write_ground_truth(tmp_path)}
    assert names == {f"{p}{view}.txt" for view in VIEWS for p in ("", "ignore_")}
