"""The configuration of one measured run: recordings, variant of the settings, first frames only."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.about import ROOT

CONFIG = ROOT / "configs" / "office3.yaml"
Settings = dict[str, Any]


def recordings_of(shared: Path) -> Path:
    """Folder of the three cameras; ends the program if it is not there."""
    folder = shared.resolve() / "data" / "office3"
    if not folder.is_dir():
        raise SystemExit(f"--shared {shared}: there is no data/office3 in it")
    return folder


def read_settings(config: Path, recordings: Path) -> Settings:
    """A configuration whose relative paths are resolved; recordings are taken from a folder.

    Args:
        config: a YAML file as for `python main.py --sources`.
        recordings: folder in which the cameras' files are looked for by name.
    """
    settings: Settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    for camera in settings["cameras"]:
        camera["url"] = str(recordings / Path(camera["url"]).name)
    for stage in ("detector", "embedder"):
        weights = (settings.get(stage) or {}).get("weights")
        if weights is not None:
            settings[stage]["weights"] = str((config.parent / weights).resolve())
    return settings


def changed(settings: Settings, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """A copy with some settings of some groups replaced."""
    result = copy.deepcopy(settings)
    for group, values in changes.items():
        result[group] = {**(result.get(group) or {}), **values}
    return result


def first_frames(settings: Settings, frames: int, folder: Path) -> Settings:
    """A copy whose recordings are cut after some frames, without encoding them again.

    Where frames refer to later ones the cut may lose a few at its end; who compares two programs
    gives both the same cut files.
    """
    result = copy.deepcopy(settings)
    for camera in result["cameras"]:
        source = Path(camera["url"])
        target = folder / source.name
        command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-map", "0:v:0"]
        command += ["-frames:v", str(frames), "-c", "copy", str(target)]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise SystemExit("--frames needs ffmpeg; install it or measure all frames") from None
        camera["url"] = str(target)
    return result


def write_settings(settings: Settings, path: Path) -> Path:
    """Write a configuration file; returns its path."""
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def frame_size_wh(recording: Path) -> tuple[int, int]:
    """Width and height of a recording in pixels."""
    capture = cv2.VideoCapture(str(recording))
    size = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    capture.release()
    return int(size[0]), int(size[1])


def frames_at(recording: Path, wanted: Collection[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(frame, (H, W, 3) BGR picture) of 1-based frames, ascending; decoded from the beginning.

    Raises:
        SystemExit: a frame that cannot be read.
    """
    numbers = set(wanted)
    capture = cv2.VideoCapture(str(recording))
    try:
        for frame in range(1, max(numbers, default=0) + 1):
            if not capture.grab():
                raise SystemExit(f"{recording}: frame {frame} cannot be read")
            if frame in numbers:
                yield frame, np.asarray(capture.retrieve()[1], np.uint8)
    finally:
        capture.release()


def frames_per_second(recording: Path) -> float:
    """Of a recording, as it says.

    Raises:
        SystemExit: it does not say.
    """
    capture = cv2.VideoCapture(str(recording))
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    if rate <= 0:
        raise SystemExit(f"{recording}: its frames per second are not known")
    return rate
