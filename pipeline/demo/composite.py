"""Random pictures of drawn people with their boxes, for training a detector."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.compose import Image, Layer, draw, look, make_layer
from pipeline.demo.geometry import HEIGHT, WIDTH, PinholeCamera, place
from pipeline.demo.names import VIEW_NAMES
from pipeline.demo.people import random_person
from pipeline.demo.scenes import scene
from pipeline.demo.sprite import paint_person

MIN_BOX_VISIBILITY = 0.25


def random_composite(rng: np.random.Generator) -> tuple[Image, NDArray[np.float32]]:
    """Draw random people at random places over a random background.

    Args:
        rng: the only source of chance.

    Returns:
        (480, 640, 3) uint8 BGR, and (N, 4) float32 left, top, right, bottom pixels of what can be
        seen of each person; N is 0 to 10. People less than a quarter visible carry no box.
    """
    camera = PinholeCamera(
        height_m=float(rng.uniform(1.6, 5.0)),
        pitch_deg=float(rng.uniform(2, 26)),
        focal_px=float(rng.uniform(380, 800)),
    )
    layers = [_random_layer(rng, camera, k) for k in range(int(rng.integers(0, 11)))]
    people = [layer for layer in layers if layer is not None]
    gain = np.clip(rng.normal(rng.uniform(0.6, 1.15), 0.07, 3), 0.4, 1.3)
    sun = (float(rng.uniform(0.2, 0.9)), float(rng.uniform(0.25, 0.5)))
    image = draw(
        _random_background(rng),
        people,
        (float(gain[0]), float(gain[1]), float(gain[2])),
        sun if rng.random() < 0.3 else None,
        int(rng.integers(1000)),
    )
    boxes = [seen.box_xyxy for seen in look(people) if seen.visibility >= MIN_BOX_VISIBILITY]
    return image, np.array(boxes, np.float32).reshape(-1, 4)


def _random_layer(rng: np.random.Generator, camera: PinholeCamera, identity: int) -> Layer | None:
    z = float(np.exp(rng.uniform(math.log(2.8), math.log(16))))
    x = float(rng.uniform(-1, 1)) * camera.edge_x(z, 0.0)
    placement = place(camera, (x, z), float(rng.uniform(-math.pi, math.pi)))
    person = random_person(rng)
    phase = float(rng.random())
    paint = paint_person.__wrapped__  # one of a kind: not worth a place in the cache
    sprite = paint(person, phase, placement.yaw_deg, placement.pitch_deg, placement.detail)
    return make_layer(identity, sprite, placement)


def _random_background(rng: np.random.Generator) -> Image:
    """A demo view, cut, mirrored and recoloured; or blurred blocks of random colours."""
    if rng.random() < 0.7:
        picture = scene(VIEW_NAMES[rng.integers(len(VIEW_NAMES))]).background
        scale = rng.uniform(0.5, 1.0)
        w, h = int(WIDTH * scale), int(HEIGHT * scale)
        left, top = rng.integers(WIDTH - w + 1), rng.integers(HEIGHT - h + 1)
        picture = picture[top : top + h, left : left + w]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
    else:
        shape = (int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3)
        picture = rng.integers(20, 235, shape).astype(np.uint8)
    how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    large = cv2.resize(np.ascontiguousarray(picture), (WIDTH, HEIGHT), interpolation=how)
    gain = np.clip(rng.normal(rng.uniform(0.5, 1.2), 0.08, 3), 0.3, 1.4)
    return np.clip(large * gain, 0, 255).astype(np.uint8)
