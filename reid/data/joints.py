"""Body joints of every image of a data set, as fractions of its width and height.

The 14 joints are those of `JOINTS`; right and left are the person's own.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.data.crops import Crops, Split
from reid.errors import ReidError

JOINTS = (
    "head_top",
    "neck",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "r_hip",
    "r_knee",
    "r_ankle",
    "l_hip",
    "l_knee",
    "l_ankle",
)
MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10)
"""Joint j of a mirrored picture is joint MIRRORED[j] of the picture."""
_HEAD, _NECK, _HIPS = 0, 1, [8, 11]
_SIZE_WH = (64, 128)


def load_joints(path: Path, crops: Crops, split: Split) -> NDArray[np.float32]:
    """Joints of every crop by its file name: (N, 14, 2) fractions x, y; NaN where unusable.

    The file is an .npz with `joints` (14 names), and for each split `SPLIT_files` (n,) and
    `SPLIT_xy` (n, 14, 2): pixels, counted from 1, of the image at 128 x 64. The centre of pixel p
    of n is the fraction (p - 0.5) / n. An estimator that always answers has made them, so
    these are not used (seen on Market-1501's pictures):

    - a joint in the outermost line of pixels: the limb goes on outside the picture;
    - `head_top` that is not above the neck: the head is cut off or under an umbrella, and the
      point lies somewhere on the back or the belongings;
    - all joints of a picture whose hips are not below its neck: the estimate has failed.

    Raises:
        ReidError: not such a file, or it lacks an image of `crops`.
    """
    files, xy = _read(path, split)
    row_of = {str(name): row for row, name in enumerate(files)}
    rows = []
    for image in crops.paths:
        if image.name not in row_of:
            raise ReidError(f"{path}: {split}_files: no joints of {image.name}")
        rows.append(row_of[image.name])
    return _usable(xy[rows])


def _read(path: Path, split: Split) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays: dict[str, NDArray[Any]] = {
                key: found[key] for key in ("joints", f"{split}_files", f"{split}_xy")
            }
    except KeyError as error:
        raise ReidError(f"{path}: no array {error.args[0]}") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ReidError(f"{path}: not an .npz file of joints: {error}") from error
    names, files, xy = arrays["joints"], arrays[f"{split}_files"], arrays[f"{split}_xy"]
    if tuple(names.ravel().tolist()) != JOINTS:
        raise ReidError(f"{path}: joints: expected {', '.join(JOINTS)}")
    if xy.shape != (len(files), len(JOINTS), 2) or xy.dtype.kind not in "iuf":
        raise ReidError(
            f"{path}: {split}_xy: {xy.dtype} {xy.shape}, but "
            f"({len(files)}, {len(JOINTS)}, 2) numbers are expected"
        )
    return files, xy.astype(np.float64)


def _usable(xy: NDArray[np.float64]) -> NDArray[np.float32]:
    """(N, 14, 2) pixels from 1 -> fractions, NaN by the rules of `load_joints`."""
    out = (xy - 0.5) / np.array(_SIZE_WH)
    neck = xy[:, _NECK, 1]
    failed = ~(xy[:, _HIPS, 1].mean(1) > neck)
    headless = ~(xy[:, _HEAD, 1] < neck)
    out[~((xy > 1) & (xy < np.array(_SIZE_WH))).all(2)] = np.nan
    out[headless, _HEAD] = np.nan
    out[failed] = np.nan
    return out.astype(np.float32)


def move_joints(joints: Tensor, theta: Tensor) -> Tensor:
    """Where joints are after `affine_grid(theta)` and `grid_sample` have moved the pictures.

    Args:
        joints: (B, 14, 2) fractions. theta: (B, 2, 3) without rotation or shear: a place u of the
            new picture, -1..1, shows a u + t of the old one; so u = (v - t) / a. A negative a in x
            mirrors, which also swaps right and left.
    """
    factors = torch.stack([theta[:, 0, 0], theta[:, 1, 1]], 1)[:, None]
    places = (2 * joints - 1 - theta[:, None, :, 2]) / factors
    mirrored = (theta[:, 0, 0] < 0)[:, None, None]
    return (torch.where(mirrored, places[:, list(MIRRORED)], places) + 1) / 2


_NOSE, _EYES, _EARS, _SHOULDERS = 0, [1, 2], [3, 4], [5, 6]
_COCO_LIMBS = (6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15)
HEAD_OVER_FACE = 0.6
"""From the face upwards to the top of the head, in distances from neck to face.

The value of least error against Market-1501's 14 joints, by MoveNet Lightning on 361 of 400 random
training images (the others have no sure ears and shoulders): 3.7 % of the picture's height.
"""


def coco17_to_14(joints: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, 17, 2) COCO joints -> (N, 14, 2) of `JOINTS`, in the same unit; NaN stays NaN.

    COCO has no neck and no top of the head. Neck: the middle of the shoulders. Top of the head: on
    the line from the neck through the face, `HEAD_OVER_FACE` of that distance beyond the face; the
    face is the mean of the ears, or of the eyes without ears, or the nose without eyes.

    Raises:
        ValueError: not (N, 17, 2).
    """
    if joints.ndim != 3 or joints.shape[1:] != (17, 2):
        raise ValueError(f"joints {joints.shape}, expected (N, 17, 2)")
    points = joints.astype(np.float64)
    neck = points[:, _SHOULDERS].mean(1)
    face = points[:, _NOSE]
    for pair in (_EYES, _EARS):
        middle = _mean_of_known(points[:, pair])
        face = np.where(np.isnan(middle), face, middle)
    head = face + HEAD_OVER_FACE * (face - neck)
    limbs = points[:, list(_COCO_LIMBS)]
    return np.concatenate([head[:, None], neck[:, None], limbs], axis=1).astype(np.float32)


def _mean_of_known(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, k, 2) -> (N, 2): mean over the points that are not NaN; NaN without any."""
    known = ~np.isnan(points).any(2, keepdims=True)
    count = known.sum(1)
    total = np.where(known, points, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
