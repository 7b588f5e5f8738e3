"""How the view moved between two pictures, from corners that are followed by optical flow.

Shi-Tomasi corners (Good Features to Track, CVPR 1994) outside of people are followed by pyramidal
Lucas-Kanade flow (Bouguet, 2001), there and back; RANSAC fits the similarity that most obey.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Points = NDArray[np.float32]
_MARGIN = 2


@dataclass(frozen=True)
class FlowConfig:
    """Knobs of the estimate; distances in pixels of the reduced picture unless they say else.

    Attributes:
        least_side, most_side: pictures are halved, but their long side is made no shorter than
            the one and always as short as the other; larger is finer and slower.
        corners: at most so many; more are steadier and slower. spacing: between two of them.
        window: side of the squares that are compared; levels: of the pyramid above the picture.
        return_error: a corner that comes back further away than this was not followed.
        tolerance: a corner this near to where the similarity puts it agrees with it; larger
            bears more depth in the scene and is less exact.
        min_corners: fewer that were followed say nothing.
        min_agreement: 0..1, least share that must agree, averaged over the cells of a 4x4 grid
            so that a person full of corners counts no more than a bare wall of the same size.
        most_scale: a change of size beyond this factor is no camera motion.
    """

    least_side: int = 320
    most_side: int = 480
    corners: int = 160
    spacing: float = 8.0
    window: int = 15
    levels: int = 3
    return_error: float = 0.5
    tolerance: float = 2.0
    min_corners: int = 12
    min_agreement: float = 0.5
    most_scale: float = 1.4


@dataclass(frozen=True)
class SmallPicture:
    """A reduced grey picture.

    Attributes:
        grey: (h, w) uint8. size_wh: of the picture before, in pixels.
        boxes_xyxy: (N, 4) people in it, in pixels of the picture before.
    """

    grey: NDArray[np.uint8]
    size_wh: tuple[int, int]
    boxes_xyxy: NDArray[np.floating]

    @property
    def scale_xy(self) -> Array:
        """(2,) pixels of the picture before per pixel of this one."""
        return np.array(self.size_wh, np.float64) / self.grey.shape[::-1]


@dataclass(frozen=True)
class ViewChange:
    """What two pictures say about the camera.

    Attributes:
        affine: (2, 3) similarity from the first picture's pixels to the second's; None if the
            corners do not agree on one.
        moved: pixels; how far the view moved: the mean over the picture by the affine, or half
            of the corners by at least so much, whichever is less. 0 without an affine.
        followed: corners that were found again.
    """

    affine: Array | None
    moved: float
    followed: int


def reduce(
    image_bgr: NDArray[np.uint8], boxes_xyxy: NDArray[np.floating], config: FlowConfig
) -> SmallPicture:
    """The small grey version of an (H, W, 3) picture with N people at (N, 4)."""
    height, width = image_bgr.shape[:2]
    long_side = max(width, height)
    factor = min(np.clip(long_side / 2, config.least_side, config.most_side) / long_side, 1.0)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    return SmallPicture(grey, (width, height), np.array(boxes_xyxy, np.float64).reshape(-1, 4))


def view_change(first: SmallPicture, second: SmallPicture, config: FlowConfig) -> ViewChange:
    """The camera motion between two pictures of one size; the same input gives the same answer."""
    here, there = _follow(first, second, config)
    if len(here) < config.min_corners:
        return ViewChange(None, 0.0, len(here))
    scale = first.scale_xy
    before, after = (here + 0.5) * scale, (there + 0.5) * scale
    affine, agree = _fit(before, after, config.tolerance * float(scale.mean()))
    if affine is None or not _credible(affine, config):
        return ViewChange(None, 0.0, len(here))
    shares = cell_shares(before, agree, first.size_wh)
    if shares.mean() < config.min_agreement:
        return ViewChange(None, 0.0, len(here))
    typical = float(np.median(np.linalg.norm(after - before, axis=1)))
    return ViewChange(affine, min(mean_shift(affine, first.size_wh), typical), len(here))


def mean_shift(affine: Array, size_wh: tuple[int, int]) -> float:
    """How far a (2, 3) affine moves corners, edges and middle of a picture, in pixels."""
    x, y = np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])
    points = np.stack([x.ravel(), y.ravel()], 1) * np.array(size_wh, np.float64)
    return float(np.linalg.norm(points @ affine[:, :2].T + affine[:, 2] - points, axis=1).mean())


def cell_shares(
    points_xy: Array, agree: NDArray[np.bool_], size_wh: tuple[int, int], side: int = 4
) -> Array:
    """Share of points that agree, (K,) in 0..1, of each cell of a side x side grid with points."""
    cells = np.clip((points_xy / size_wh * side).astype(np.int64), 0, side - 1) @ [1, side]
    counts = np.bincount(cells, minlength=side * side)
    good = np.bincount(cells, weights=agree, minlength=side * side)
    shares: Array = good[counts > 0] / counts[counts > 0]
    return shares


def _fit(before: Array, after: Array, tolerance: float) -> tuple[Array | None, NDArray[np.bool_]]:
    """The (2, 3) similarity of most of N pairs of points, and (N,) which of them obey it.

    OpenCV begins each RANSAC with the same random numbers, so that the answer is the same.
    """
    affine, agree = cv2.estimateAffinePartial2D(
        before, after, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500
    )
    if affine is None:
        return None, np.zeros(len(before), np.bool_)
    return np.asarray(affine, np.float64), np.asarray(agree)[:, 0] > 0


def _credible(affine: Array, config: FlowConfig) -> bool:
    scale = float(np.hypot(affine[0, 0], affine[1, 0]))
    return bool(np.isfinite(affine).all()) and 1 / config.most_scale < scale < config.most_scale


def _follow(first: SmallPicture, second: SmallPicture, config: FlowConfig) -> tuple[Array, Array]:
    """Corners of the first picture and where they are in the second: (N, 2) small pixels each."""
    found_corners = cv2.goodFeaturesToTrack(
        first.grey, config.corners, 0.01, config.spacing, mask=_free_of_people(first)
    )
    if found_corners is None:
        return np.zeros((0, 2)), np.zeros((0, 2))
    corners: Points = np.asarray(found_corners, np.float32)
    there, found = _track(first.grey, second.grey, corners, config)
    back, again = _track(second.grey, first.grey, there, config)
    returned = np.abs(back - corners).reshape(-1, 2).max(1) <= config.return_error
    good = found & again & returned
    start, end = np.asarray(corners, np.float64), np.asarray(there, np.float64)
    return start.reshape(-1, 2)[good], end.reshape(-1, 2)[good]


def _track(
    first: NDArray[np.uint8], second: NDArray[np.uint8], points: Points, config: FlowConfig
) -> tuple[Points, NDArray[np.bool_]]:
    """Where (N, 1, 2) points of the first picture are in the second, and (N,) which were found."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first,
        second,
        points,
        np.zeros_like(points),
        winSize=(config.window, config.window),
        maxLevel=config.levels,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03),
    )
    return np.asarray(there, np.float32), np.asarray(found)[:, 0] > 0


def _free_of_people(picture: SmallPicture) -> NDArray[np.uint8]:
    """(h, w) 255 where nobody is, with a small margin around people, else 0."""
    mask = np.full(picture.grey.shape, 255, np.uint8)
    height, width = picture.grey.shape[:2]
    boxes = picture.boxes_xyxy[np.isfinite(picture.boxes_xyxy).all(1)]
    small = boxes / np.tile(picture.scale_xy, 2)
    low, high = np.floor(small[:, :2]) - _MARGIN, np.ceil(small[:, 2:]) + _MARGIN
    edges = np.clip(np.concatenate([low, high], 1), 0, [width, height, width, height])
    for left, top, right, bottom in edges.astype(np.int64).tolist():
        mask[top:bottom, left:right] = 0
    return mask
