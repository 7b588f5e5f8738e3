"""People who walk through an imaginary scene for as long as one likes, with boxes and embeddings.

They come and go: each stays for a while, leaves, and another one takes the place, sometimes one
who has been there before. Nothing is kept of those who are not expected back, so that memory that
grows while a tracker looks on is the tracker's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.tracking.observations import FrameObservations
from reid.embeddings import Embeddings
from trackers.detections import Detections

FINGERPRINT = "synthetic"
REMEMBERED = 20
"""So many of those who left may come back."""

FALSE_WH = np.array([60.0, 150.0])
"""Size of a box of nobody, pixels."""

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What is imagined.

    Attributes:
        people: in view at any time. fps: frames per second. size_wh: of the picture in pixels.
        stay_s: shortest and longest stay in seconds.
        missed: share of boxes that the detector does not find. faint: share with a low score.
        false_boxes: boxes of nobody per frame, on average.
        returning: share of newcomers who have been there before.
        jitter: standard deviation of box edges, in box heights.
        dimensions: of global vectors. parts, part_dimensions: of part vectors.
        noise: length of what is added to a person's unit vector in each picture.
    """

    people: int = 30
    fps: float = 25.0
    size_wh: tuple[int, int] = (1920, 1080)
    stay_s: tuple[float, float] = (8.0, 60.0)
    missed: float = 0.05
    faint: float = 0.1
    false_boxes: float = 0.3
    returning: float = 0.2
    jitter: float = 0.01
    dimensions: int = 512
    parts: int = 8
    part_dimensions: int = 64
    noise: float = 0.5


@dataclass
class Person:
    """Somebody in view: unit vectors (D,) and (P, d), and how they walk.

    `box_xyxy` (4,) and `speed_xy` (2,) per frame are in pixels; `frames_left` is the stay.
    """

    look: Vector
    part_looks: Vector
    box_xyxy: NDArray[np.float64]
    speed_xy: NDArray[np.float64]
    frames_left: int


@dataclass
class Crowd:
    """A scene in motion; the same seed gives the same frames.

    Attributes:
        scene: what is imagined. seed: of all random numbers.
        arrivals: people who came in so far, those of the first frame among them.
    """

    scene: Scene
    seed: int
    arrivals: int = 0
    _rng: np.random.Generator = field(init=False, repr=False)
    _people: list[Person] = field(init=False, repr=False)
    _gone: deque[tuple[Vector, Vector]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._gone = deque(maxlen=REMEMBERED)
        self._people = [self._arrive() for _ in range(self.scene.people)]

    def frames(self, count: int) -> Iterator[FrameObservations]:
        """The next `count` frames, one at a time."""
        for _ in range(count):
            self._walk()
            yield self._look()

    def _arrive(self) -> Person:
        """Somebody new, or somebody who has been there before."""
        scene, rng = self.scene, self._rng
        self.arrivals += 1
        if self._gone and rng.random() < scene.returning:
            index = int(rng.integers(len(self._gone)))
            look, part_looks = self._gone[index]
            del self._gone[index]
        else:
            look = _unit(rng.normal(size=scene.dimensions))
            part_looks = _unit(rng.normal(size=(scene.parts, scene.part_dimensions)))
        width, height = scene.size_wh
        tall = height * rng.uniform(0.1, 0.3)
        left_top = rng.uniform(0, [width - 0.4 * tall, height - tall])
        box = np.concatenate([left_top, left_top + np.array([0.4 * tall, tall])])
        angle, pace = rng.uniform(0, 2 * np.pi), tall * rng.uniform(0.1, 1.0) / scene.fps
        stay = int(rng.uniform(*scene.stay_s) * scene.fps)
        speed = pace * np.array([np.cos(angle), 0.3 * np.sin(angle)])
        return Person(look, part_looks, box, speed, max(stay, 1))

    def _walk(self) -> None:
        for number, person in enumerate(self._people):
            person.frames_left -= 1
            if person.frames_left < 0:
                self._gone.append((person.look, person.part_looks))
                self._people[number] = self._arrive()
                continue
            person.box_xyxy += np.tile(person.speed_xy, 2)
            outside = (person.box_xyxy[:2] < 0) | (person.box_xyxy[2:] > self.scene.size_wh)
            inward = np.where(person.box_xyxy[:2] < 0, 1.0, -1.0) * np.abs(person.speed_xy)
            person.speed_xy = np.where(outside, inward, person.speed_xy)

    def _look(self) -> FrameObservations:
        """What a detector and an embedder say about this moment."""
        scene, rng = self.scene, self._rng
        seen = [person for person in self._people if rng.random() >= scene.missed]
        strange = int(rng.poisson(scene.false_boxes))
        boxes = np.array([person.box_xyxy for person in seen]).reshape(-1, 4)
        heights = boxes[:, 3:] - boxes[:, 1:2]
        boxes = boxes + scene.jitter * heights * rng.normal(size=boxes.shape)
        corner = rng.uniform(0, np.array(scene.size_wh) * 0.8, (strange, 2))
        boxes = np.concatenate([boxes, np.concatenate([corner, corner + FALSE_WH], 1)])
        scores = rng.uniform(0.5, 0.95, len(boxes))
        faint = rng.random(len(boxes)) < scene.faint
        scores[faint] = rng.uniform(0.1, 0.4, int(faint.sum()))
        scores[len(seen) :] = rng.uniform(0.1, 0.6, strange)
        return FrameObservations(
            Detections(boxes.astype(np.float32), scores.astype(np.float32)),
            self._embed(seen, strange),
            np.arange(len(boxes)),
        )

    def _embed(self, seen: list[Person], strange: int) -> Embeddings:
        scene, count = self.scene, len(seen) + strange
        looks = np.zeros((count, scene.dimensions))
        parts = np.zeros((count, scene.parts, scene.part_dimensions))
        for row, person in enumerate(seen):
            looks[row], parts[row] = person.look, person.part_looks
        looks += scene.noise * _unit(self._rng.normal(size=looks.shape))
        parts += scene.noise * _unit(self._rng.normal(size=parts.shape))
        visible = np.ones((count, scene.parts), np.float32)
        return Embeddings(_unit(looks), _unit(parts), visible, FINGERPRINT)


def _unit(vectors: NDArray[np.floating]) -> Vector:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)
