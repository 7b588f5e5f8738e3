"""The settings of the stages behind the cameras: detector, embedder, tracker, association, …"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from pipeline.config.address import at_home
from pipeline.config.camera import Settings, located
from trackers.presets import build_tracker


def _existing_path(value: Path, info: ValidationInfo) -> Path:
    path = at_home(value)
    base = (info.context or {}).get("base", Path.cwd())
    absolute = (path if path.is_absolute() else base / path).resolve()
    if not absolute.exists():
        hint = "" if path.is_absolute() else " (relative paths start at this YAML file's folder)"
        raise ValueError(f"file not found: {absolute}{hint}")
    return absolute


ExistingPath = Annotated[Path, AfterValidator(_existing_path)]


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class DetectorConfig(Settings):
    """How people are found in a frame."""

    weights: ExistingPath | None = Field(
        default=None, description="Model file or folder; default null = the shipped detector."
    )
    image_size: int | None = Field(
        default=None,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Longer side in pixels to which frames are resized, a multiple of 32; default "
        "null = the size of the weights. Raising it finds smaller people but time grows with its "
        "square.",
    )
    confidence: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Lowest score of a detection, 0..1; default 0.1: the tracker uses faint boxes "
        "to follow people whom it knows. Raising it loses people who are far away or half hidden.",
    )
    detect_fps: float | None = Field(
        default=None,
        gt=0,
        description="Most frames per second and camera that the detector sees; default null = "
        "every frame. Raising it costs computing time; lowering it loses people who move fast.",
    )
    batch_size: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Most frames of one worker's cameras that are detected together; default 4. "
        "Raising it costs memory and adds delay.",
    )
    skip_empty: bool = Field(
        default=False,
        description="Skip the detector while nobody is in view and the picture does not change; "
        "default false. Switching it on can delay the detection of a person who hardly moves.",
    )


class EmbedderConfig(Settings):
    """When and with which weights appearance vectors are computed."""

    weights: ExistingPath | None = Field(
        default=None, description="Model file; default null = the shipped embedder."
    )
    adapt_to_site: bool = Field(
        default=False,
        description="Before the first run of a new archive, fit the embedder's batch statistics "
        "to crops from the recordings, without labels; default false. It helps weights on cameras "
        "unlike their training data, but the shipped ones lost by it where it was measured.",
    )
    mode: Literal["adaptive", "every"] = Field(
        default="adaptive",
        description="adaptive = embed a box when it can change a decision; every = embed each box; "
        "default adaptive. 'every' costs several times the computing time.",
    )
    max_interval_s: float = Field(
        default=0.5,
        gt=0,
        description="Seconds after which a box of a quiet track is embedded again in adaptive "
        "mode; default 0.5. Raising it makes the appearance of a track out of date.",
    )


class TrackerConfig(Settings):
    """Which tracker joins detections inside one camera."""

    preset: str = Field(
        default="crosswalk",
        min_length=1,
        description="Name of a file in configs/tracker/ without .yaml; default crosswalk.",
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of the preset to change, by their names there; default none.",
    )
    camera_motion: Literal["auto", "off"] = Field(
        default="auto",
        description="auto = measure how a camera pans, tilts, zooms or shakes and move the tracks "
        "along, which costs next to nothing while it stands still; off = take every camera for "
        "still; default auto. 'off' loses people whenever a camera moves.",
    )

    @field_validator("camera_motion", mode="before")
    @classmethod
    def _off_is_no_boolean(cls, value: Any) -> Any:
        """An unquoted `off` is false in YAML."""
        return "off" if value is False else value

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Refuse an unknown preset or setting before anything is started."""
        build_tracker(self.preset, self.overrides)
        return self


class AssociationConfig(Settings):
    """How tracklets become identities across cameras."""

    link_probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Lowest probability at which two tracklets are one person, 0..1; default 0.5. "
        "Raising it splits people into several identities; lowering it merges strangers.",
    )
    window_s: float = Field(
        default=86400.0,
        gt=0,
        description="Seconds for which an unseen person stays a candidate; default 86400 (a day). "
        "Raising it costs time and lets people be confused with more others.",
    )
    every_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds between passes during a run; default 60; 0: only at its end. "
        "Raising it shows the identities of live cameras later; a pass never takes more than a "
        "tenth of the hub's time.",
    )


class TrackletsConfig(Settings):
    """How tracks are cut into stored pieces."""

    max_piece_s: float = Field(
        default=30.0,
        ge=1,
        description="Longest piece in seconds; default 30. Raising it makes people who stay in "
        "view searchable later.",
    )


class TransportConfig(Settings):
    """The channel between workers and hub."""

    endpoint: str | None = Field(
        default=None,
        description="ZeroMQ address (ipc://…, inproc://… or tcp://host:port); default null = ipc "
        "on this machine. A tcp address beyond this machine needs the CURVE keys.",
    )
    curve_public_key: ExistingPath | None = Field(
        default=None,
        description="File with this side's public CURVE key; default null = no encryption.",
    )
    curve_secret_key: ExistingPath | None = Field(
        default=None,
        description="File with this side's secret CURVE key; default null = no encryption.",
    )
    curve_server_key: ExistingPath | None = Field(
        default=None,
        description="File with the hub's public CURVE key, for workers; default null = this "
        "side's.",
    )

    @model_validator(mode="after")
    def _protected(self) -> TransportConfig:
        has_keys = self.curve_public_key is not None and self.curve_secret_key is not None
        if (self.curve_public_key is None) != (self.curve_secret_key is None):
            lone = "curve_public_key" if self.curve_public_key else "curve_secret_key"
            raise located(lone, "set curve_public_key and curve_secret_key together, or neither")
        if self.endpoint is None:
            return self
        scheme, separator, rest = self.endpoint.partition("://")
        if scheme not in ("ipc", "inproc", "tcp") or not separator or not rest:
            raise located("endpoint", "write ipc://path, inproc://name or tcp://host:port")
        host = urlsplit(self.endpoint).hostname or rest.rpartition(":")[0]
        if scheme == "tcp" and not is_loopback(host) and not has_keys:
            raise located(
                "endpoint",
                f"{self.endpoint} leaves this machine without encryption; "
                "set curve_public_key and curve_secret_key",
            )
        return self


class UiConfig(Settings):
    """The operator's web page."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; default 127.0.0.1 = this machine only. Any other "
        "address needs username and password_env.",
    )
    port: int = Field(
        default=7860, ge=1, le=65535, description="TCP port to listen on; default 7860."
    )
    username: str | None = Field(
        default=None, min_length=1, description="Login name; default null = no login."
    )
    password_env: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the environment variable that holds the password; default null.",
    )

    @model_validator(mode="after")
    def _login(self) -> UiConfig:
        if (self.username is None) != (self.password_env is None):
            lone = "username" if self.username else "password_env"
            raise located(lone, "set username and password_env together, or neither")
        if not is_loopback(self.host) and self.username is None:
            raise located(
                "host", f"{self.host} can be reached by others; set username and password_env"
            )
        return self
