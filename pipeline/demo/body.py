"""A walking body as tapered capsules.

Lengths are metres, in the body's own frame: x to its left and right, y up from the ground, z in
the direction in which it faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.people import Person

Vector = NDArray[np.float64]
REFERENCE_HEIGHT_M = 1.75


class Part(IntEnum):
    """What a capsule is made of."""

    SKIN = 0
    HEAD = 1
    HAIR = 2
    TOP = 3
    BOTTOM = 4
    SHOES = 5
    HAT = 6
    BAG = 7


@dataclass(frozen=True)
class Capsule:
    """A line from `a` to `b` (3 metres each), swept by a ball whose radius goes from ra to rb."""

    a: Vector
    b: Vector
    ra: float
    rb: float
    part: Part


def _v(x: float, y: float, z: float) -> Vector:
    return np.array([x, y, z], float)


def build_body(person: Person, phase: float) -> list[Capsule]:
    """Shape a person at one moment of the walk.

    Args:
        person: build and clothes.
        phase: position in the gait cycle, 0..1; one cycle is two steps.

    Returns:
        capsules for the person's own height, feet on y = 0 (the lower foot touches the ground).
    """
    turn = 2 * math.pi * phase
    wide = person.build
    bob = 0.018 * math.cos(2 * turn)
    parts: list[Capsule] = []
    for side in (-1.0, 1.0):
        parts += _leg(person, side, turn if side < 0 else turn + math.pi, bob)
        parts += _arm(person, side, turn + math.pi if side < 0 else turn, bob)
    parts += _torso(person, wide, bob, turn)
    parts += _head(person, bob)
    parts += _belongings(person, wide, bob)
    scale = person.height_m / REFERENCE_HEIGHT_M
    low = min(min(c.a[1] - c.ra, c.b[1] - c.rb) for c in parts)
    shift = _v(0, low, 0)
    return [
        Capsule((c.a - shift) * scale, (c.b - shift) * scale, c.ra * scale, c.rb * scale, c.part)
        for c in parts
    ]


def _leg(person: Person, side: float, turn: float, bob: float) -> list[Capsule]:
    w = person.build**0.5
    hip = _v(side * 0.085 * w, 0.92 + bob, 0)
    swing = math.radians(24) * math.sin(turn)
    bend = math.radians(6) + math.radians(48) * max(0.0, math.cos(turn - 0.35)) ** 1.5
    knee = hip + 0.43 * _v(0, -math.cos(swing), math.sin(swing))
    low = swing - bend
    ankle = knee + 0.42 * _v(0, -math.cos(low), math.sin(low))
    tilt = 0.5 * low if low < 0 else 0.25 * low
    toe = ankle + 0.17 * _v(side * 0.15, -0.12 + math.sin(tilt), math.cos(tilt))
    heel = ankle + _v(0, -0.045, -0.035)
    leg = [
        *_covered(hip, knee, 0.088 * w, 0.062 * w, _span(person.leg, 0.0), person),
        *_covered(knee, ankle, 0.061 * w, 0.046 * w, _span(person.leg, 0.5), person),
        Capsule(heel, toe, 0.044, 0.032, Part.SHOES),
        Capsule(heel, ankle + _v(0, 0.01, 0), 0.043, 0.04, Part.SHOES),
    ]
    if person.skirt:
        hem = hip + (knee - hip) * 0.95
        leg.append(Capsule(hip, hem, 0.105 * w, 0.115 * w, Part.BOTTOM))
    return leg


def _span(covered: float, start: float) -> float:
    """Share of a half limb that clothing covers, if the whole limb is covered by `covered`."""
    return min(max((covered - start) / 0.5, 0.0), 1.0)


def _covered(
    a: Vector, b: Vector, ra: float, rb: float, share: float, person: Person
) -> list[Capsule]:
    """A leg segment: cloth down to `share`, skin below."""
    edge, middle = a + (b - a) * share, ra + (rb - ra) * share
    limbs = []
    if share > 0:
        limbs.append(Capsule(a, edge, ra + 0.008, middle + 0.012, Part.BOTTOM))
    if share < 1:
        limbs.append(Capsule(edge, b, middle * 0.9, rb * 0.85, Part.SKIN))
    return limbs


def _arm(person: Person, side: float, turn: float, bob: float) -> list[Capsule]:
    w = person.build
    shoulder = _v(side * 0.185 * w, 1.405 + bob, 0)
    swing = math.radians(22) * math.sin(turn)
    out = side * (0.06 + 0.03 * w)
    elbow = shoulder + 0.29 * _v(out * 1.2, -math.cos(swing), math.sin(swing))
    fore = swing + math.radians(18 + 10 * math.sin(turn))
    wrist = elbow + 0.25 * _v(out * 0.4, -math.cos(fore), math.sin(fore))
    hand = wrist + 0.085 * _v(0, -math.cos(fore), math.sin(fore))
    upper, lower = 0.056 * w**0.7, 0.043 * w**0.7
    limbs = [Capsule(wrist, hand, 0.034, 0.028, Part.SKIN)]
    if person.sleeve >= 1:
        limbs.append(Capsule(shoulder, elbow, upper + 0.008, lower + 0.01, Part.TOP))
        limbs.append(Capsule(elbow, wrist, lower + 0.01, 0.037, Part.TOP))
    else:
        edge = shoulder + (elbow - shoulder) * _span(person.sleeve, 0.0)
        limbs.append(Capsule(shoulder, edge, upper + 0.012, upper + 0.01, Part.TOP))
        limbs.append(Capsule(edge, elbow, upper * 0.9, lower, Part.SKIN))
        limbs.append(Capsule(elbow, wrist, lower, 0.03, Part.SKIN))
    return limbs


_TORSO = np.array(
    # height, half width, radius
    [
        [0.86, 0.075, 0.098], [0.93, 0.080, 0.105], [1.00, 0.070, 0.103], [1.08, 0.060, 0.100],
        [1.18, 0.075, 0.106], [1.28, 0.092, 0.110], [1.36, 0.108, 0.098], [1.42, 0.098, 0.072],
        [1.46, 0.062, 0.058], [1.485, 0.03, 0.054],
    ]
)  # fmt: skip


def _torso(person: Person, wide: float, bob: float, turn: float) -> list[Capsule]:
    """Horizontal capsules from hips to neck; below the waist the top's length decides the cloth."""
    hem = 1.0 - person.coat_m
    layers: list[Capsule] = []
    bottom = min(hem, _TORSO[0, 0])
    for height in np.arange(bottom, 1.486, 0.036):
        half = float(np.interp(height, _TORSO[:, 0], _TORSO[:, 1])) * wide
        radius = float(np.interp(height, _TORSO[:, 0], _TORSO[:, 2])) * (0.55 + 0.45 * wide)
        is_top = height >= hem
        if is_top and height < 1.1:
            radius += 0.012 + 0.035 * max(0.0, 0.95 - height)
        twist = 0.12 * math.sin(turn) * (height - 0.9) / 0.6
        lean = 0.03 * (height - 0.9)
        left = _v(-half * math.cos(twist), height + bob, lean - half * math.sin(twist))
        right = _v(half * math.cos(twist), height + bob, lean + half * math.sin(twist))
        layers.append(Capsule(left, right, radius, radius, Part.TOP if is_top else Part.BOTTOM))
    return layers


def _head(person: Person, bob: float) -> list[Capsule]:
    y, z = bob, 0.03
    parts = [
        Capsule(_v(0, 1.46 + y, z - 0.01), _v(0, 1.55 + y, z), 0.052, 0.05, Part.SKIN),
        Capsule(_v(0, 1.585 + y, z + 0.018), _v(0, 1.65 + y, z), 0.068, 0.093, Part.HEAD),
        Capsule(_v(0, 1.61 + y, z + 0.095), _v(0, 1.625 + y, z + 0.088), 0.014, 0.010, Part.HEAD),
    ]
    for ear_side in (-1, 1):
        ear = _v(ear_side * 0.088, 1.622 + y, z - 0.008)
        parts.append(Capsule(ear, ear + _v(0, 0.03, -0.005), 0.014, 0.016, Part.HEAD))
    if person.hair != "bald":
        crown = _v(0, 1.678 + y, z - 0.022)
        parts.append(Capsule(crown, crown + _v(0, 0.006, 0.02), 0.088, 0.08, Part.HAIR))
        parts.append(Capsule(crown, _v(0, 1.6 + y, z - 0.04), 0.088, 0.062, Part.HAIR))
    if person.hair == "long":
        for side in (-1.0, 0.0, 1.0):
            top = _v(side * 0.05, 1.66 + y, z - 0.03)
            tip = _v(side * 0.075, 1.42 + y, z - 0.06)
            parts.append(Capsule(top, tip, 0.065, 0.045, Part.HAIR))
    if person.hair == "bun":
        bun = _v(0, 1.73 + y, z - 0.075)
        parts.append(Capsule(bun, bun + _v(0, 0.01, 0), 0.045, 0.04, Part.HAIR))
    if person.hat is not None:
        brow = _v(0, 1.69 + y, z)
        parts.append(Capsule(brow, brow + _v(0, 0.045, -0.005), 0.1, 0.085, Part.HAT))
        for side in (-0.04, 0.0, 0.04):
            rim = brow + _v(side, 0.0, 0.08)
            parts.append(Capsule(rim, rim + _v(0, -0.012, 0.07), 0.02, 0.014, Part.HAT))
    return parts


def _belongings(person: Person, wide: float, bob: float) -> list[Capsule]:
    y = bob
    parts: list[Capsule] = []
    if person.bag == "backpack":
        back = -0.15 * (0.55 + 0.45 * wide) - 0.02
        for height in (1.08, 1.17, 1.26, 1.35):
            left, right = _v(-0.07, height + y, back), _v(0.07, height + y, back)
            parts.append(Capsule(left, right, 0.085, 0.085, Part.BAG))
        for side in (-0.11 * wide, 0.11 * wide):
            points = [(1.2, 0.125), (1.34, 0.125), (1.475, 0.02), (1.42, -0.09)]
            for (y0, z0), (y1, z1) in pairwise(points):
                parts.append(
                    Capsule(_v(side, y0 + y, z0), _v(side, y1 + y, z1), 0.02, 0.02, Part.BAG)
                )
    if person.bag == "shoulder":
        hip = _v(0.2 * wide, 0.95 + y, 0.0)
        for depth in (-0.08, 0.08):
            low, high = hip + _v(0, -0.06, depth), hip + _v(0, 0.06, depth)
            parts.append(Capsule(low, high, 0.06, 0.06, Part.BAG))
        parts.append(
            Capsule(hip + _v(0, -0.02, -0.08), hip + _v(0, -0.02, 0.08), 0.1, 0.1, Part.BAG)
        )
        for depth in (0.135, -0.125):
            start, end = (
                _v(0.15 * wide, 1.02 + y, depth * 0.8),
                _v(-0.1 * wide, 1.46 + y, depth * 0.4),
            )
            middle = (start + end) / 2 + _v(0, 0, depth * 0.45)
            parts.append(Capsule(start, middle, 0.014, 0.014, Part.BAG))
            parts.append(Capsule(middle, end, 0.014, 0.014, Part.BAG))
    if person.bag == "handbag":
        top = _v(-0.27 * wide, 0.82 + y, 0.08)
        for depth in (-0.09, 0.0, 0.09):
            low = top + _v(0, -0.17, depth)
            parts.append(Capsule(low, low + _v(0, 0.11, 0), 0.05, 0.045, Part.BAG))
        for depth in (-0.09, 0.09):
            parts.append(
                Capsule(top + _v(0, 0.06, 0), top + _v(0, -0.07, depth), 0.01, 0.01, Part.BAG)
            )
    return parts
