"""Textures, planes, clothes and the three places."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.demo import demo_views
from pipeline.demo.body import Part
from pipeline.demo.cloth import noise, paint_parts
from pipeline.demo.geometry import PinholeCamera
from pipeline.demo.paint import (
    bricks,
    finish,
    flat,
    new_picture,
    paint_plane,
    panel,
    rectangle,
    shaded,
    tiles,
)
from pipeline.demo.people import Garment, Person
from pipeline.demo.scenes import scene

CAMERA = PinholeCamera(3.0, 0.0, 320.0)
RED = (0, 0, 200)


@pytest.mark.parametrize("view", demo_views())
def test_scene_is_a_picture_with_things_in_it(view: str) -> None:
    here = scene(view)
    assert here.background.shape == (480, 640, 3)
    assert here.background.std() > 12
    assert here.occluders
    for thing in here.occluders:
        assert thing.mask.shape == (480, 640)
        assert 100 < thing.mask.sum() < 0.5 * 480 * 640
    assert scene(view) is here


def test_unknown_scene() -> None:
    with pytest.raises(KeyError):
        scene("moon")


def test_only_the_yard_has_sun() -> None:
    assert [scene(view).sun is not None for view in demo_views()] == [False, False, True]


@pytest.mark.parametrize(
    "texture",
    [flat(RED), panel(RED, (255, 255, 255), 3), tiles(RED, RED, 8, RED), bricks(RED, RED, 10)],
)
def test_textures_keep_their_colour_and_have_grain(texture: np.ndarray) -> None:
    assert texture.ndim == 3
    centre = texture[100:400, 100:400]
    assert np.argmax(centre.mean((0, 1))) == 2
    assert centre.std(0).max() > 1


def test_tiles_alternate_and_have_joints() -> None:
    texture = tiles((0, 0, 0), (200, 200, 200), 4, (90, 90, 90))
    assert texture[128, 128].mean() < 60
    assert texture[128, 384].mean() > 140
    assert texture[0].mean() == pytest.approx(90)


def test_shading_is_a_ramp() -> None:
    ramp = shaded(np.ones((5, 2, 3), np.float32), 1.0, 0.5)
    assert ramp[:, 0, 0].tolist() == [1.0, 0.875, 0.75, 0.625, 0.5]


def test_noise_is_normalised_repeatable_and_tiles() -> None:
    texture = noise(5.0, 3)
    assert texture.shape == (512, 512)
    assert texture.std() == pytest.approx(1, abs=1e-3)
    inner = np.abs(np.diff(texture, axis=0)).mean()
    assert np.abs(texture[0] - texture[-1]).mean() < 2 * inner


def test_plane_is_painted_where_it_projects() -> None:
    picture = new_picture((0, 0, 0))
    corners = rectangle((-2, 2), (1, 5), (8, 8))
    pixels = paint_plane(picture, CAMERA, corners, flat(RED, 0))
    assert pixels.tolist() == [[240, 160], [400, 160], [400, 320], [240, 320]]
    small = finish(picture, vignette=0)
    assert small[240, 320].tolist() == [0, 0, 200]
    assert small[240, 230].tolist() == [0, 0, 0]
    painted = (small[..., 2] > 100).sum()
    assert painted == pytest.approx(160 * 160, rel=0.03)


def test_rectangles_lie_on_the_floor_or_stand() -> None:
    floor = rectangle((-1, 1), (0, 0), (2, 4))
    assert [c[1] for c in floor] == [0, 0, 0, 0]
    assert floor[0] == (-1, 0, 4)
    wall = rectangle((-1, 1), (0, 3), (5, 5))
    assert wall == [(-1, 3, 5), (1, 3, 5), (1, 0, 5), (-1, 0, 5)]


def test_vignette_darkens_corners_only() -> None:
    grey = finish(new_picture((200, 200, 200)), vignette=0.4)
    assert grey[240, 320, 0] >= 199
    assert grey[0, 0, 0] < 150


def colors(person: Person, part: Part, points: list[list[float]]) -> np.ndarray:
    body = np.array([points], np.float32)
    kinds = np.full(body.shape[:2], int(part), np.uint8)
    albedo, bumps = paint_parts(person, kinds, body, np.ones(body.shape[:2], bool))
    assert bumps.shape == (*body.shape[:2], 2)
    return albedo[0]


@pytest.mark.parametrize(
    ("pattern", "first", "second"),
    [
        ("stripes", [0.0, 1.29, 0.1], [0.0, 1.22, 0.1]),
        ("block", [0.0, 1.1, 0.1], [0.0, 1.4, 0.1]),
        ("badge", [0.15, 1.27, 0.1], [0.0, 1.27, 0.1]),
        ("checks", [0.02, 1.29, 0.0], [0.02, 1.36, 0.0]),
        ("pinstripes", [0.03, 1.2, 0.0], [0.005, 1.2, 0.0]),
    ],
)
def test_patterns_show_both_colours(pattern: str, first: list[float], second: list[float]) -> None:
    garment = Garment((20, 20, 20), pattern, (220, 220, 220))  # type: ignore[arg-type]
    painted = colors(Person(top=garment), Part.TOP, [first, second])
    assert sorted(row.mean() > 120 for row in painted) == [False, True]


def test_parts_take_the_persons_colours() -> None:
    person = Person(skin=(10, 20, 200), shoes=(200, 20, 10), bag_color=(10, 200, 10))
    point = [[0.1, 0.5, 0.1]]
    assert np.argmax(colors(person, Part.SKIN, point)[0]) == 2
    assert np.argmax(colors(person, Part.SHOES, point)[0]) == 0
    assert np.argmax(colors(person, Part.BAG, point)[0]) == 1


def test_faces_look_forward() -> None:
    eye, nape = [0.033, 1.648, 0.1], [0.033, 1.648, -0.1]
    painted = colors(Person(skin=(150, 180, 220)), Part.HEAD, [eye, nape])
    assert painted[0].mean() < 60 < 150 < painted[1].mean()
