"""Market-1501 and any data set in its naming: 0002_c1s1_000451_03.jpg.

Source: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.data.crops import Crops, Split, crops_of, find_in, pictures_in
from reid.errors import ReidError

_NAME = re.compile(r"^(-?\d+)_c(\d+)")
_JPEG, _SCAN, _END = b"\xff\xd8", b"\xda", b"\xff\xd9"
_SPLITS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}


def load_split(root: Path, split: Split) -> Crops:
    """Read the file names of one split: "train", "query" or "gallery".

    `root` is the folder that holds bounding_box_train/, query/ and bounding_box_test/, or a
    folder with exactly one such folder in it. Images of identity -1 are left out (protocol).

    Raises:
        ReidError: the folder is missing, empty, or a file name does not fit.
    """
    folder = find_in(root, _SPLITS[split], "Market-1501")
    rows = []
    for path in pictures_in(folder):
        labels = labels_in_name(path.name)
        if labels is None:
            raise ReidError(f"{path}: the name does not start with IDENTITY_cCAMERA")
        rows.append((path, *labels))
    return crops_of(rows, folder)


def labels_in_name(name: str) -> tuple[int, int] | None:
    """Identity and camera of a file name that starts with IDENTITY_cCAMERA, else None."""
    match = _NAME.match(name)
    return None if match is None else (int(match[1]), int(match[2]))


def read_image_bgr(path: Path) -> NDArray[np.uint8]:
    """Decode one image: (h, w, 3) uint8 BGR.

    Raises:
        ReidError: it cannot be decoded, or is a JPEG that is cut off, whose missing rows a
            decoder may fill with grey.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_JPEG) and not _is_whole(content):
            raise ReidError(f"{path}: not a readable image: the JPEG's end is missing")
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise ReidError(f"{path}: not a readable image")
    return image.astype(np.uint8, copy=False)


def _is_whole(jpeg: bytes) -> bool:
    """Whether the end marker follows the first scan; what comes after it does not matter.

    The segments before the scan are skipped by their lengths (ITU-T T.81, B.1.1.4), as a small
    picture in them has an end marker of its own; inside a scan FF is never followed by D9.
    """
    at = len(_JPEG)
    while jpeg[at : at + 1] == b"\xff" and jpeg[at + 1 : at + 2] != _SCAN:
        filling = jpeg[at + 1 : at + 2] == b"\xff"
        at += 1 if filling else 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return _END in jpeg[at:]


def read_images(paths: tuple[Path, ...], height: int, width: int) -> NDArray[np.uint8]:
    """Decode and resize images to (N, height, width, 3) uint8 RGB.

    Raises:
        ReidError: an image cannot be decoded.
    """
    out = np.empty((len(paths), height, width, 3), np.uint8)
    for row, path in enumerate(paths):
        image = read_image_bgr(path)
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height)).astype(np.uint8, copy=False)
        out[row] = image[:, :, ::-1]
    return out
