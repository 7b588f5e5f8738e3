"""Bodies, sprites, scenes and random composites."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.demo import random_composite
from pipeline.demo.body import build_body
from pipeline.demo.choreography import Walk
from pipeline.demo.compose import Layer, draw, look, make_layer
from pipeline.demo.geometry import PinholeCamera, Placement, place
from pipeline.demo.people import PEOPLE, Person, random_person
from pipeline.demo.scenes import Occluder
from pipeline.demo.sprite import paint_person

CAMERA = PinholeCamera(3.0, 0.0, 500.0)


def layer(identity: int, depth: float, left: int, size: int = 40, area: int | None = None) -> Layer:
    bgra = np.full((size, size, 4), 255, np.uint8)
    return Layer(
        identity, depth, left, 10, bgra, area or size * size, (left + 20.0, 50.0), 20.0, None
    )


@pytest.mark.parametrize("identity", sorted(PEOPLE))
def test_bodies_stand_on_the_ground_at_their_height(identity: int) -> None:
    person = PEOPLE[identity]
    body = build_body(person, 0.3)
    low = min(min(c.a[1] - c.ra, c.b[1] - c.rb) for c in body)
    high = max(max(c.a[1] + c.ra, c.b[1] + c.rb) for c in body)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(person.height_m, abs=0.13)


def test_gait_repeats_after_one_cycle() -> None:
    start, end = build_body(Person(), 0.0), build_body(Person(), 1.0)
    half = build_body(Person(), 0.5)
    assert all(np.allclose(s.b, e.b) for s, e in zip(start, end, strict=True))
    assert not all(np.allclose(s.b, h.b) for s, h in zip(start, half, strict=True))


def test_people_are_dressed_differently() -> None:
    clothes = {(p.top, p.bottom, p.hair, p.bag, p.hat) for p in PEOPLE.values()}
    assert len(clothes) == len(PEOPLE) >= 8


def test_sprites_differ_by_facing_and_keep_their_anchor() -> None:
    front, back = paint_person(PEOPLE[1], 0.0, 0.0, 16.0), paint_person(PEOPLE[1], 0.0, 180.0, 16.0)
    assert front.bgra.shape[2] == 4
    assert front.bgra.dtype == np.uint8
    h, w = front.bgra.shape[:2]
    assert 0 < front.anchor_xy[0] < w
    assert 0.85 * h < front.anchor_xy[1] <= h + 1
    core = np.s_[20:-20, w // 2 - 5 : w // 2 + 5, :3]
    shared = min(h, back.bgra.shape[0]) - 40
    assert not np.array_equal(front.bgra[core][:shared], back.bgra[core][:shared])


def test_a_smaller_scale_gives_a_smaller_sprite() -> None:
    large, small = (
        paint_person(PEOPLE[2], 0.0, 90.0, 16.0, s).bgra.shape[0] for s in (115.0, 72.0)
    )
    assert small / large == pytest.approx(72 / 115, abs=0.03)


def test_projection_by_hand() -> None:
    pixels, depth = CAMERA.project(np.array([[1.0, 3.0, 10.0], [0.0, 0.0, 5.0]]))
    assert pixels.tolist() == [[370.0, 240.0], [320.0, 540.0]]
    assert depth.tolist() == [10.0, 5.0]
    assert CAMERA.edge_x(10.0, 0.0) == pytest.approx(6.4)


@pytest.mark.parametrize(
    ("heading", "yaw"),
    [(0, 90), (math.pi / 2, 180), (-math.pi / 2, 0), (math.pi, 270)],
)
def test_facing_follows_the_direction_of_walking(heading: float, yaw: float) -> None:
    assert place(CAMERA, (0.0, 8.0), heading).yaw_deg == yaw


@given(st.floats(-5, 5), st.floats(3, 20))
def test_nearer_people_are_larger(x: float, z: float) -> None:
    near, far = place(CAMERA, (x, z), 0.0), place(CAMERA, (x, z + 1), 0.0)
    assert near.pixels_per_m > far.pixels_per_m
    assert near.foot_xy[1] > far.foot_xy[1]
    assert near.depth_m < far.depth_m


def test_nearer_person_hides_the_farther_one() -> None:
    seen = look([layer(1, 5.0, 100), layer(2, 3.0, 120)])
    assert [(s.identity, s.box_xyxy, s.visibility) for s in seen] == [
        (1, (100, 10, 120, 50), 0.5),
        (2, (120, 10, 160, 50), 1.0),
    ]
    assert [s.identity for s in look([layer(1, 5.0, 100), layer(2, 3.0, 100)])] == [2]


def test_share_outside_the_picture_counts_as_hidden() -> None:
    [seen] = look([layer(1, 5.0, 0, area=6400)])
    assert seen.visibility == 0.25


def test_layers_are_cut_at_edges_and_things_in_front() -> None:
    sprite = paint_person(PEOPLE[1], 0.0, 0.0, 16.0)
    inside = Placement((320.0, 300.0), 60.0, 8.0, 0.0, 16.0)
    whole = make_layer(1, sprite, inside)
    assert whole is not None
    assert whole.in_front is None
    wall = np.zeros((480, 640), bool)
    wall[:, :320] = True
    half = make_layer(1, sprite, inside, [wall])
    assert half is not None
    assert half.area == whole.area
    assert 0.3 < look([half])[0].visibility < 0.7
    assert make_layer(1, sprite, Placement((-200.0, 300.0), 60.0, 8.0, 0.0, 16.0)) is None
    edge = make_layer(1, sprite, Placement((0.0, 300.0), 60.0, 8.0, 0.0, 16.0))
    assert edge is not None
    assert edge.left == 0


def test_drawing_leaves_the_background_alone_and_things_in_front_clean() -> None:
    background = np.full((480, 640, 3), 128, np.uint8)
    wall = np.ones((480, 640), bool)
    sprite = paint_person(PEOPLE[1], 0.0, 0.0, 16.0)
    placement = Placement((320.0, 300.0), 60.0, 8.0, 0.0, 16.0)
    hidden = make_layer(1, sprite, placement, [wall])
    assert hidden is not None
    image = draw(background, [hidden], sun=(0.7, 0.4))
    assert (background == 128).all()
    assert np.array_equal(image, draw(background, []))
    shown = make_layer(1, sprite, placement)
    assert shown is not None
    assert not np.array_equal(draw(background, [shown], sun=(0.7, 0.4)), image)


def test_occluder_hides_only_what_is_behind_it() -> None:
    pillar = Occluder(np.zeros((480, 640), bool), (1.0, 6.0, 2.0, 6.0))
    assert pillar.hides(1.5, 7.0)
    assert not pillar.hides(1.5, 5.0)
    wall = Occluder(np.zeros((480, 640), bool), (-2.5, 1.0, -2.5, 7.0))
    assert wall.hides(-3.0, 8.0)
    assert not wall.hides(-2.0, 8.0)


def test_walk_moves_along_its_path() -> None:
    walk = Walk(1, "lobby", 2.0, ((0.0, 5.0), (3.0, 5.0), (3.0, 7.0)), 1.0)
    assert walk.end_s == 7.0
    assert walk.at(1.9) is None
    assert walk.at(7.0) is None
    first, later = walk.at(3.0), walk.at(6.0)
    assert first is not None
    assert later is not None
    assert (first[0], first[2]) == ((1.0, 5.0), 1.0)
    assert first[1] == pytest.approx(0)
    assert later[0] == (3.0, 6.0)
    assert later[1] == pytest.approx(math.pi / 2)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_composites_are_sound_and_repeatable(seed: int) -> None:
    image, boxes = random_composite(np.random.default_rng(seed))
    assert image.shape == (480, 640, 3)
    assert image.dtype == np.uint8
    assert boxes.shape[1] == 4
    assert boxes.dtype == np.float32
    assert len(boxes) <= 10
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (640, 480)).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    same_image, same_boxes = random_composite(np.random.default_rng(seed))
    assert np.array_equal(image, same_image)
    assert np.array_equal(boxes, same_boxes)


def test_random_people_vary() -> None:
    rng = np.random.default_rng(1)
    people = {random_person(rng) for _ in range(30)}
    assert len(people) == 30
    assert all(1.5 <= person.height_m <= 1.95 for person in people)
