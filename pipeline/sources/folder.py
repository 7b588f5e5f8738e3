"""A folder of images, or of a MOTChallenge sequence."""

from __future__ import annotations

import configparser
import math
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig
from pipeline.errors import SourceError
from pipeline.sources.base import SourceInfo, WarningList
from pipeline.sources.even import EvenSource
from pipeline.sources.start_time import recording_start
from pipeline.sources.video import DEFAULT_FPS

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


class FolderSource(EvenSource):
    """Images of a folder in natural order (`2.jpg` before `10.jpg`), one frame each.

    A MOTChallenge sequence (`seqinfo.ini`, `img1/`) gives its own frame rate; any other folder is
    taken as 25 frames per second. The size is that of the first readable image; an unreadable one
    is skipped with a warning and keeps its index.

    Args:
        config: the camera; its url is an absolute folder.

    Raises:
        SourceError: there is no image, or none that can be read.
    """

    def __init__(self, config: CameraConfig) -> None:
        warnings = WarningList(config.id)
        folder, fps = _mot_layout(Path(config.url), warnings)
        self._files = list_images(folder)
        first = next((im for f in self._files if (im := read_image(f)) is not None), None)
        if first is None:
            found = "no image that can be read" if self._files else "no images (.jpg, .png, …)"
            raise SourceError(config.id, config.display_url, f"{found} in {folder}")
        start, origin = recording_start(config, warnings)
        info = SourceInfo(
            width=first.shape[1],
            height=first.shape[0],
            fps=fps,
            frame_count=len(self._files),
            is_live=False,
            start_time_utc=start,
            start_time_origin=origin,
            url=config.display_url,
        )
        super().__init__(config, info, warnings)

    def picture(self, index: int) -> NDArray[np.uint8] | None:
        """Image `index` of the list as (H, W, 3) uint8 BGR; None if it cannot be read."""
        image = read_image(self._files[index])
        if image is None:
            self._warnings.add(f"image {self._files[index]} cannot be read; skipped")
        return image


def list_images(folder: Path) -> list[Path]:
    """List a folder's images in natural order; sub-folders are not searched."""
    if not folder.is_dir():
        return []
    files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file()]
    return sorted(files, key=lambda file: (_natural(file.name), file.name))


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """Read an image as (H, W, 3) uint8 BGR; None if it cannot be decoded."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _mot_layout(root: Path, warnings: WarningList) -> tuple[Path, float]:
    """Return the folder with the images and the frame rate."""
    default = root / "img1" if (root / "img1").is_dir() and not list_images(root) else root
    ini = root / "seqinfo.ini"
    if not ini.is_file():
        return default, DEFAULT_FPS
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(ini.read_text(encoding="utf-8-sig"))
        section = parser["Sequence"]
        name = Path(section.get("imDir", "img1")).name
        folder = default if name in ("", "..") else root / name
        fps = section.getfloat("frameRate", DEFAULT_FPS)
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        warnings.add(f"{ini} ignored ({reason}); assuming {DEFAULT_FPS:g} frames/s")
        return default, DEFAULT_FPS
    if not math.isfinite(fps) or fps <= 0:
        warnings.add(f"{ini}: frameRate {fps:g} ignored; assuming {DEFAULT_FPS:g} frames/s")
        fps = DEFAULT_FPS
    return (folder if folder.is_dir() else default), fps
