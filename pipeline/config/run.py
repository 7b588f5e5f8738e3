"""The whole configuration of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.camera import CameraConfig, Settings
from pipeline.config.stages import (
    AssociationConfig,
    DetectorConfig,
    EmbedderConfig,
    TrackerConfig,
    TrackletsConfig,
    TransportConfig,
    UiConfig,
)

Problem = tuple[str, str]
"""Dotted key and reason of one error."""


class RunConfig(Settings):
    """Everything that a run needs; load it with `load_config`."""

    cameras: list[CameraConfig] = Field(description="The cameras, one or more.")
    detector: DetectorConfig = DetectorConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    tracker: TrackerConfig = TrackerConfig()
    association: AssociationConfig = AssociationConfig()
    tracklets: TrackletsConfig = TrackletsConfig()
    workers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Worker processes that share the cameras; default 1. Raising it costs memory "
        "(one copy of the models each) and helps only with spare cores or GPUs.",
    )
    transport: TransportConfig = TransportConfig()
    retention_days: float | None = Field(
        default=None,
        gt=0,
        description="Days after which stored people are deleted; default null = keep. Raising it "
        "fills the disk and keeps personal data longer.",
    )
    ui: UiConfig = UiConfig()

    @field_validator("cameras")
    @classmethod
    def _at_least_one(cls, value: list[CameraConfig]) -> list[CameraConfig]:
        if not value:
            raise ValueError("no cameras; add at least one with id and url")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        problems = camera_problems(
            [(camera.id, [n.camera for n in camera.neighbours]) for camera in self.cameras]
        )
        if problems:
            text = "; ".join(f"{key}: {reason}" for key, reason in problems)
            raise PydanticCustomError("cameras", "{text}", {"text": text, "problems": problems})
        return self

    def camera(self, camera_id: str) -> CameraConfig:
        """Return one camera's settings; KeyError if there is no such camera."""
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        raise KeyError(camera_id)


def camera_problems(cameras: Sequence[tuple[str, Sequence[str]]]) -> list[Problem]:
    """Check ids and neighbours across cameras.

    Args:
        cameras: per camera its id and the ids of its neighbours, in the order of the file; an
            empty id stands for one that is wrong in itself and is not checked here.

    Returns:
        duplicate ids (also those that differ only in upper and lower case, because they name
        files), unknown neighbours, a camera that is its own neighbour or names one twice.
    """
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, (name, _) in enumerate(cameras):
        other = first.setdefault(name.casefold(), index)
        if name and other != index:
            problems.append(
                (f"cameras[{index}].id", f"{name!r} is already the id of cameras[{other}]; rename")
            )
    known = {name for name, _ in cameras if name}
    for index, (name, neighbours) in enumerate(cameras):
        times = Counter(neighbours)
        for place, neighbour in enumerate(neighbours):
            if not neighbour:
                continue
            key = f"cameras[{index}].neighbours[{place}].camera"
            if neighbour == name:
                problems.append((key, f"{name!r} cannot be its own neighbour; remove it"))
            elif neighbour not in known:
                names = ", ".join(sorted(known))
                problems.append((key, f"no camera {neighbour!r}; known cameras: {names}"))
            elif times[neighbour] > 1 and neighbour in neighbours[:place]:
                problems.append((key, f"{neighbour!r} is listed twice; keep one"))
    return problems
