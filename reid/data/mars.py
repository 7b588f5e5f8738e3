"""MARS: tracklets of the people of Market-1501, scored by the mean of their frames.

Source: Zheng et al., "MARS: A Video Benchmark for Large-Scale Person Re-identification",
ECCV 2016. File names are 0001C1T0001F001.jpg: identity, camera, tracklet, frame; 00-1 is junk.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid.data.crops import (
    DISTRACTOR_IDENTITY,
    JUNK_IDENTITY,
    Crops,
    Split,
    crops_of,
    find_in,
)
from reid.data.mat import integers, read_mat
from reid.errors import ReidError

log = logging.getLogger(__name__)
_NAME = re.compile(r"^(\d{4}|00-1)C(\d)T(\d{4})F(\d{3,})\.jpg$")
_FOLDERS: dict[Split, str] = {"train": "bbox_train", "query": "bbox_test", "gallery": "bbox_test"}


def load_split(root: Path, split: Split) -> Crops:
    """One split, its rows in the order of tracklets and frames, `tracklets` filled in.

    With info/ (the official test protocol) its lists decide: tracklets as listed, queries by
    query_IDX.mat. The gallery holds the queries too, as in the official evaluation: a query's own
    tracklet is junk for it (same camera), but a right answer for queries of other cameras.
    Without info/, tracklets come from the file names and the queries are each identity's first
    tracklet in each camera; a warning says that such scores are not the published protocol's.

    Raises:
        ReidError: a folder is missing or empty, or names or lists do not fit.
    """
    folder = find_in(root, _FOLDERS[split], "MARS")
    info = folder.parent / "info"
    if info.is_dir():
        return _listed(folder, info, split)
    crops = _named(folder)
    if split != "query":
        return crops
    log.warning("%s: no info/: the queries are not those of the published protocol", folder.parent)
    return _first_of_each_camera(crops)


def _parse(name: str, where: str) -> tuple[int, int, int]:
    """File name -> identity, camera and tracklet number."""
    match = _NAME.match(name)
    if match is None:
        raise ReidError(f"{where}: the name is not IDENTITY C CAMERA T TRACKLET F FRAME.jpg")
    identity = JUNK_IDENTITY if match[1] == "00-1" else int(match[1])
    return identity, int(match[2]), int(match[3])


def _named(folder: Path) -> Crops:
    """All images below `folder`, grouped by identity, camera and tracklet of their names."""
    rows, groups = [], []
    for people in sorted(path for path in folder.iterdir() if path.is_dir()):
        for name in sorted(entry.name for entry in os.scandir(people) if entry.is_file()):
            if not name.endswith(".jpg"):
                continue
            identity, camera, tracklet = _parse(name, str(people / name))
            if identity != JUNK_IDENTITY:
                rows.append((people / name, identity, camera))
                groups.append((identity, camera, tracklet))
    crops = crops_of(rows, folder)
    _, numbers = np.unique(np.array(groups), axis=0, return_inverse=True)
    return replace(crops, tracklets=numbers.ravel().astype(np.int64))


def _first_of_each_camera(crops: Crops) -> Crops:
    assert crops.tracklets is not None
    _, starts = np.unique(crops.tracklets, return_index=True)
    chosen, seen = [], {(DISTRACTOR_IDENTITY, int(camera)) for camera in np.unique(crops.cameras)}
    for row in starts:
        key = (int(crops.identities[row]), int(crops.cameras[row]))
        if key not in seen:
            seen.add(key)
            chosen.append(crops.tracklets[row])
    keep = np.flatnonzero(np.isin(crops.tracklets, chosen))
    return Crops(
        tuple(crops.paths[row] for row in keep),
        crops.identities[keep],
        crops.cameras[keep],
        np.unique(crops.tracklets[keep], return_inverse=True)[1].astype(np.int64),
    )


def _listed(folder: Path, info: Path, split: Split) -> Crops:
    """The tracklets of info/tracks_*_info.mat: rows of first image, last image, identity, camera.

    Images count from 1 in train_name.txt or test_name.txt.
    """
    part = "train" if split == "train" else "test"
    names = _lines(info / f"{part}_name.txt")
    path = info / f"tracks_{part}_info.mat"
    (raw,) = read_mat(path, f"track_{part}_info")
    tracks = integers(raw, f"{path}: track_{part}_info")
    if tracks.ndim != 2 or tracks.shape[1] != 4:
        raise ReidError(f"{path}: four columns are expected, not {tracks.shape}")
    if split == "query":
        tracks = tracks[_query_rows(info / "query_IDX.mat", len(tracks))]
    rows: list[tuple[Path, int, int]] = []
    numbers: list[int] = []
    kept = tracks[tracks[:, 2] != JUNK_IDENTITY].tolist()
    for number, (first, last, identity, camera) in enumerate(kept):
        if not 1 <= first <= last <= len(names):
            raise ReidError(f"{path}: images {first}..{last} are not all in {part}_name.txt")
        for name in names[first - 1 : last]:
            named = _parse(name, f"{info / f'{part}_name.txt'}: {name}")
            if named[:2] != (identity, camera):
                raise ReidError(f"{path}: {name} is not of identity {identity}, camera {camera}")
            rows.append((folder / name[:4] / name, identity, camera))
            numbers.append(number)
    return replace(crops_of(rows, path), tracklets=np.array(numbers, np.int64))


def _query_rows(path: Path, count: int) -> NDArray[np.int64]:
    (raw,) = read_mat(path, "query_IDX")
    rows = integers(raw, f"{path}: query_IDX").ravel() - 1
    if len(rows) and not 0 <= rows.min() <= rows.max() < count:
        raise ReidError(f"{path}: query_IDX: not all within 1..{count}")
    return rows


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ReidError(f"{path}: not a readable text file") from error
