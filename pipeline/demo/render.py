"""One frame of one view, with its truth."""

from __future__ import annotations

from pipeline.demo.choreography import FPS, FRAME_COUNT, walks
from pipeline.demo.compose import Image, Layer, Seen, draw, look, make_layer
from pipeline.demo.geometry import place
from pipeline.demo.names import VIEW_NAMES
from pipeline.demo.people import PEOPLE
from pipeline.demo.scenes import scene
from pipeline.demo.sprite import paint_person

_PHASES = 8
_NEAREST_M = 0.7


def layers_of(view: str, frame_index: int) -> list[Layer]:
    """Place everybody who walks through a view.

    Args:
        view: one of `demo_views()`.
        frame_index: 0-based, below `FRAME_COUNT`.

    Raises:
        KeyError: no such view.
        IndexError: no such frame.
    """
    here = scene(view)
    if not 0 <= frame_index < FRAME_COUNT:
        raise IndexError(f"frame {frame_index} is outside 0..{FRAME_COUNT - 1}")
    layers: list[Layer] = []
    for walk in walks():
        now = walk.at(frame_index / FPS) if walk.view == view else None
        if now is None:
            continue
        (x, z), heading, distance = now
        placement = place(here.camera, (x, z), heading)
        if placement.depth_m < _NEAREST_M:
            continue
        person = PEOPLE[walk.identity]
        cycles = distance / (0.8 * person.height_m) + 0.13 * walk.identity
        phase = round(cycles % 1 * _PHASES) % _PHASES / _PHASES
        sprite = paint_person(
            person, phase, placement.yaw_deg, placement.pitch_deg, placement.detail
        )
        masks = [thing.mask for thing in here.occluders if thing.hides(x, z)]
        layer = make_layer(walk.identity, sprite, placement, masks)
        if layer is not None:
            layers.append(layer)
    return layers


def render(view: str, frame_index: int) -> tuple[Image, list[Seen]]:
    """Draw one frame; the same arguments always give the same picture.

    Returns:
        (480, 640, 3) uint8 BGR and what can be seen of each person.
    """
    layers = layers_of(view, frame_index)
    here = scene(view)
    noise_index = frame_index * 5 + VIEW_NAMES.index(view)
    image = draw(here.background, layers, here.gain_bgr, here.sun, noise_index)
    return image, look(layers)
