"""The settings of one camera."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.address import SourceKind, display_url, resolve_url, source_kind

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Settings(BaseModel):
    """Base of every settings group: immutable, unknown keys refused, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(info.field_name)].annotation
        numeric = annotation in (int, float, int | None, float | None)
        if numeric and isinstance(value, bool):
            raise ValueError(f"must be a number, not {str(value).lower()}")
        return value


def located(key: str, reason: str) -> PydanticCustomError:
    """Make an error that belongs to the sub-key `key` of the group being checked."""
    return PydanticCustomError("located", "{reason}", {"reason": reason, "key": key})


class NeighbourConfig(Settings):
    """A camera that people can walk to from this one."""

    camera: str = Field(description="Id of the other camera.")
    transit_s: tuple[float, float] = Field(
        description="Shortest and longest walk from leaving this view to entering the other, "
        "[min, max] in seconds; 0 or more. Raising max (or lowering min) accepts more wrong links."
    )

    @field_validator("transit_s")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        low, high = value
        if low < 0:
            raise ValueError(f"seconds cannot be negative, got [{low:g}, {high:g}]")
        if low > high:
            raise ValueError(f"min is above max in [{low:g}, {high:g}]; swap the two numbers")
        return value


class CameraConfig(Settings):
    """One camera: where its frames come from and how to read them."""

    id: str = Field(description="Unique name: letters, digits, '-', '_', '.'; names output files.")
    name: str = Field(default="", description="Name shown to operators; default: the id.")
    url: str = Field(
        description="Recording, folder of images (MOT layout too), rtsp://, rtsps://, http(s)://, "
        "webcam index, or demo:<view>. Relative paths start at the YAML file's folder. An http(s) "
        "address that ends like a recording (.mp4, …) is read as one, any other as a live stream."
    )
    start_time: datetime | None = Field(
        default=None,
        description="Recordings only: time of the first frame, ISO 8601 with offset, e.g. "
        "2026-01-05T09:00:00+01:00; default: the file's creation time, else its modification time, "
        "with a warning that says which.",
    )
    timezone: str = Field(
        default="UTC", description="IANA zone in which times of this camera are shown; default UTC."
    )
    fps_cap: float | None = Field(
        default=None,
        gt=0,
        description="Most frames per second that are used; default null = all. Raising it costs "
        "computing time; lowering it loses people who move fast.",
    )
    ignore_zones: list[list[tuple[float, float]]] = Field(
        default_factory=list,
        description="Polygons of [x, y] points, each 0..1 of the picture's width and height; "
        "people who stand inside are ignored; default none. Larger zones lose people.",
    )
    neighbours: list[NeighbourConfig] = Field(
        default_factory=list,
        description="Cameras that people can walk to, and how long that takes; default none = the "
        "time between cameras plays no part. A time in the range makes a link likelier, a shorter "
        "one much less likely; cameras that are not named here may follow all the same.",
    )
    clock_offset_s: float = Field(
        default=0.0,
        description="Seconds added to this camera's times, for a clock that is slow (positive) or "
        "fast (negative); default 0. A wrong value breaks transit times between cameras.",
    )

    @field_validator("id", mode="before")
    @classmethod
    def _safe_id(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f'must be text; write it in quotes: "{value}"')
        if not _ID.fullmatch(value):
            raise ValueError(
                f"{value!r} is not usable as an id; use letters, digits, '-', '_' and '.', "
                "starting with a letter or digit"
            )
        return value

    @field_validator("url", mode="before")
    @classmethod
    def _resolved(cls, value: Any, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base", Path.cwd())
        return resolve_url(value, base)

    @field_validator("start_time", mode="before")
    @classmethod
    def _aware(cls, value: Any) -> datetime | None:
        if value is None:
            return None
        try:
            time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            raise ValueError(
                f"{value!r} is not an ISO 8601 time; write e.g. 2026-01-05T09:00:00+01:00"
            ) from None
        if time.utcoffset() is None:
            raise ValueError(
                f"{value} has no offset from UTC; add one, e.g. {time.isoformat()}+00:00 or Z"
            )
        try:
            return time.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{value} is before the year 1 in UTC") from None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"unknown time zone {value!r}; use an IANA name such as Europe/Berlin or UTC"
            ) from None
        return value

    @field_validator("ignore_zones")
    @classmethod
    def _relative_polygons(
        cls, value: list[list[tuple[float, float]]]
    ) -> list[list[tuple[float, float]]]:
        for index, polygon in enumerate(value):
            if len(polygon) < 3:
                raise located(f"[{index}]", f"a polygon needs 3 points or more, got {len(polygon)}")
            for x, y in polygon:
                if not (0 <= x <= 1 and 0 <= y <= 1):
                    raise located(
                        f"[{index}]",
                        f"point [{x:g}, {y:g}] is outside 0..1; divide pixels by width and height",
                    )
        return value

    @model_validator(mode="before")
    @classmethod
    def _name_defaults_to_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("id"), str) and not data.get("name"):
            return {**data, "name": data["id"]}
        return data

    @model_validator(mode="after")
    def _start_time_of_recordings_only(self) -> CameraConfig:
        if self.start_time is not None and self.kind not in (SourceKind.VIDEO, SourceKind.FOLDER):
            raise located(
                "start_time", f"only recordings have one, this is a {self.kind.value}; remove it"
            )
        return self

    @property
    def kind(self) -> SourceKind:
        """How this camera is read."""
        return source_kind(self.url)

    @property
    def display_url(self) -> str:
        """The address without credentials, for logs and screens."""
        return display_url(self.url)
