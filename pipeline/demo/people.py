"""The people of the demo: how each is built and dressed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Color = tuple[int, int, int]
"""Blue, green, red, 0..255, as in OpenCV."""

Pattern = Literal["plain", "stripes", "pinstripes", "checks", "block", "badge", "camouflage"]
Hair = Literal["short", "long", "bun", "bald"]
Bag = Literal["none", "backpack", "shoulder", "handbag"]


@dataclass(frozen=True)
class Garment:
    """A piece of clothing: main colour, pattern and the pattern's second colour."""

    color: Color
    pattern: Pattern = "plain"
    second: Color = (235, 235, 235)


@dataclass(frozen=True)
class Person:
    """One drawn person.

    Attributes:
        height_m: standing height in metres.
        build: width relative to an average body.
        skin, hair_color, shoes: colours.
        top, bottom: garments.
        sleeve: share of the arm that is covered, 0..1.
        leg: share of the leg that is covered, 0..1 (1 = long trousers).
        coat_m: length of the top below the waist in metres (0.1 = shirt, 0.45 = coat).
        skirt: whether the bottom is a skirt.
        hair, hat, bag, bag_color: head-dress and belongings; `hat` is None for none.
    """

    height_m: float = 1.75
    build: float = 1.0
    skin: Color = (120, 150, 205)
    hair: Hair = "short"
    hair_color: Color = (25, 35, 50)
    top: Garment = Garment((60, 60, 60))
    bottom: Garment = Garment((70, 50, 40))
    shoes: Color = (35, 35, 40)
    sleeve: float = 1.0
    leg: float = 1.0
    coat_m: float = 0.12
    skirt: bool = False
    hat: Color | None = None
    bag: Bag = "none"
    bag_color: Color = (30, 30, 30)


_LIGHT, _MEDIUM, _OLIVE, _BROWN, _DARK = (
    (165, 190, 228), (130, 165, 215), (105, 140, 190), (65, 95, 140), (42, 60, 92),
)  # fmt: skip
_BLACK, _DARK_BROWN, _BLOND, _GREY, _GINGER = (
    (22, 22, 26), (28, 42, 66), (110, 175, 215), (160, 160, 160), (40, 85, 160),
)  # fmt: skip

PEOPLE: dict[int, Person] = {
    1: Person(1.80, 1.05, _MEDIUM, "short", _DARK_BROWN, Garment((45, 40, 190)),
              Garment((120, 78, 52)), (235, 235, 235), bag="backpack", bag_color=(40, 40, 44)),
    2: Person(1.66, 0.92, _LIGHT, "long", _BLOND, Garment((235, 238, 240)),
              Garment((38, 34, 34)), (30, 30, 34), coat_m=0.18, bag="handbag",
              bag_color=(40, 60, 150)),
    3: Person(1.84, 1.18, _DARK, "bald", _BLACK, Garment((60, 190, 235)),
              Garment((60, 62, 66)), (40, 40, 40), sleeve=0.35),
    4: Person(1.72, 0.95, _OLIVE, "short", _BLACK,
              Garment((110, 50, 30), "stripes", (240, 240, 240)),
              Garment((140, 175, 200)), (40, 60, 90), sleeve=0.4, leg=0.5),
    5: Person(1.62, 1.0, _MEDIUM, "bun", _DARK_BROWN, Garment((70, 130, 60)),
              Garment((50, 35, 95)), (30, 30, 50), skirt=True, leg=0.45, bag="shoulder",
              bag_color=(55, 95, 150)),
    6: Person(1.78, 1.12, _LIGHT, "short", _GREY, Garment((50, 46, 44), "pinstripes", (80, 76, 74)),
              Garment((52, 48, 46)), (20, 20, 22), coat_m=0.42),
    7: Person(1.74, 0.98, _BROWN, "short", _BLACK,
              Garment((40, 40, 150), "checks", (28, 28, 30)),
              Garment((150, 110, 75)), (200, 200, 205), hat=(120, 60, 30)),
    8: Person(1.70, 0.9, _LIGHT, "long", _GINGER, Garment((160, 90, 150)),
              Garment((225, 225, 225)), (225, 225, 230), coat_m=0.15, bag="backpack",
              bag_color=(150, 140, 30)),
    9: Person(1.88, 1.0, _OLIVE, "short", _DARK_BROWN, Garment((215, 165, 70), "block",
              (235, 235, 230)), Garment((28, 28, 30)), (60, 180, 240)),
    10: Person(1.68, 1.22, _BROWN, "short", _GREY, Garment((150, 170, 175)),
               Garment((60, 85, 105)), (40, 50, 70), coat_m=0.4, hat=(60, 80, 100)),
}  # fmt: skip
"""Ten people by identity; ids are the same in every view."""


def random_person(rng: np.random.Generator) -> Person:
    """Draw a person at random, for training pictures."""

    def color(low: int = 15, high: int = 245) -> Color:
        tint = rng.uniform(low, high, 3)
        grey = np.full(3, rng.uniform(low, high))
        mixed = tint + (grey - tint) * rng.uniform(0, 1)
        return (int(mixed[0]), int(mixed[1]), int(mixed[2]))

    def garment() -> Garment:
        patterns: tuple[Pattern, ...] = (
            "plain", "plain", "stripes", "pinstripes", "checks", "block", "badge", "camouflage",
        )  # fmt: skip
        return Garment(color(), patterns[rng.integers(len(patterns))], color())

    skins = (_LIGHT, _MEDIUM, _OLIVE, _BROWN, _DARK)
    hairs = (_BLACK, _DARK_BROWN, _BLOND, _GREY, _GINGER)
    styles: tuple[Hair, ...] = ("short", "short", "long", "bun", "bald")
    bags: tuple[Bag, ...] = ("none", "none", "backpack", "shoulder", "handbag")
    person = Person(
        height_m=float(rng.uniform(1.5, 1.95)),
        build=float(rng.uniform(0.85, 1.3)),
        skin=skins[rng.integers(5)],
        hair=styles[rng.integers(5)],
        hair_color=hairs[rng.integers(5)],
        top=garment(),
        bottom=Garment(color(15, 200)),
        shoes=color(),
        sleeve=float(rng.choice([1.0, 1.0, 0.35])),
        coat_m=float(rng.choice([0.1, 0.15, 0.42])),
        hat=color() if rng.random() < 0.2 else None,
        bag=bags[rng.integers(5)],
        bag_color=color(15, 160),
    )
    if rng.random() < 0.15:
        return replace(person, skirt=True, leg=0.45)
    return replace(person, leg=0.45) if rng.random() < 0.15 else person
