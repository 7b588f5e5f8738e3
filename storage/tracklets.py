"""The unit that is stored and searched: a closed piece of one person's track in one camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Exemplar:
    """One good picture of the person of a tracklet.

    Attributes:
        time_s: POSIX seconds (UTC) at which it was taken.
        frame_index: 0-based frame of the source.
        box_xyxy: (4,) float32 pixels of the original frame.
        crop_jpeg: the crop as JPEG bytes.
        quality: 0..1, larger is a better picture (sharp, large, whole, unoccluded).
        global_feature: (D,) float32 of length 1.
        part_features: (P, d) float32, each row of length 1.
        part_visibility: (P,) float32 in 0..1.
    """

    time_s: float
    frame_index: int
    box_xyxy: NDArray[np.float32]
    crop_jpeg: bytes
    quality: float
    global_feature: NDArray[np.float32]
    part_features: NDArray[np.float32]
    part_visibility: NDArray[np.float32]


@dataclass(frozen=True)
class Tracklet:
    """A closed piece of one track in one camera.

    Attributes:
        uuid: identity of this piece; inserting it twice changes nothing.
        track_uuid: shared by all pieces of one track.
        camera: id of the camera.
        frame_indices: (N,) int64, 0-based frames of the source, ascending.
        times_s: (N,) float64 POSIX seconds (UTC), ascending.
        boxes_xyxy: (N, 4) float32 pixels of the original frame.
        scores: (N,) float32 detector confidence; 0 where the box was interpolated.
        exemplars: up to four, best first; empty only if nothing of the track could be embedded.
        fingerprint: of the embedder that made the exemplars' vectors.
        source: the recording's path or the stream's URL without credentials.
        source_offset_s: seconds from the start of the recording to the first box.
        frame_size_wh: width and height of the original frame in pixels.
        source_fps: frames per second of the source (nominal for live sources).
    """

    uuid: str
    track_uuid: str
    camera: str
    frame_indices: NDArray[np.int64]
    times_s: NDArray[np.float64]
    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    exemplars: tuple[Exemplar, ...]
    fingerprint: str
    source: str
    source_offset_s: float
    frame_size_wh: tuple[int, int]
    source_fps: float

    @property
    def start_s(self) -> float:
        """POSIX seconds of the first box."""
        return float(self.times_s[0])

    @property
    def end_s(self) -> float:
        """POSIX seconds of the last box."""
        return float(self.times_s[-1])
