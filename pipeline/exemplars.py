"""Which few pictures of a tracklet are kept: good ones that differ from each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.journal_records import JournalFrame
from storage.tracklets import Exemplar
from trackers.pieces import TrackPiece

MOST_EXEMPLARS = 4
_Key = tuple[int, int]


def choose_exemplars(
    candidates: Sequence[Exemplar], most: int = MOST_EXEMPLARS, lowest_share: float = 0.4
) -> tuple[Exemplar, ...]:
    """Pick the best picture, then those with the largest quality × (1 - cosine to the nearest).

    Args:
        candidates: with global features of length 1.
        most: number of pictures to keep.
        lowest_share: pictures below this share of the best one's quality are not considered, or
            a person who walks in front would be kept for looking so different. Raising it loses
            back views that are less sharp.

    Returns:
        best first; fewer than `most` if there are not as many good candidates.
    """
    if not candidates:
        return ()
    qualities = np.array([candidate.quality for candidate in candidates])
    features = np.stack([candidate.global_feature for candidate in candidates])
    chosen = [int(np.argmax(qualities))]
    eligible = qualities >= lowest_share * qualities[chosen[0]]
    eligible[chosen[0]] = False
    nearest = features @ features[chosen[0]]
    while len(chosen) < most and eligible.any():
        gain = np.where(eligible, qualities * (1.0 - nearest), -np.inf)
        best = int(np.argmax(gain))
        chosen.append(best)
        eligible[best] = False
        nearest = np.maximum(nearest, features @ features[best])
    return tuple(candidates[index] for index in chosen)


def average_views(chosen: Sequence[Exemplar], candidates: Sequence[Exemplar]) -> list[Exemplar]:
    """Give each chosen picture the mean features of the candidates that look most like it.

    A single crop's vector is noisy; the mean over one view of a person is not, and the views
    stay apart, which one mean over all crops would blur. Vectors keep length 1.
    """
    if not chosen:
        return []
    views = np.stack([exemplar.global_feature for exemplar in chosen])
    features = np.stack([candidate.global_feature for candidate in candidates])
    parts = np.stack([candidate.part_features for candidate in candidates])
    view_of = (features @ views.T).argmax(axis=1)
    averaged = []
    for view, exemplar in enumerate(chosen):
        like = view_of == view
        if not like.any():  # an earlier view looks exactly the same
            averaged.append(exemplar)
            continue
        averaged.append(
            replace(
                exemplar,
                global_feature=_unit(features[like].mean(axis=0)),
                part_features=_unit(parts[like].mean(axis=0)),
            )
        )
    return averaged


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), np.float32)


@dataclass
class _Kept:
    time_s: float
    exemplar: Exemplar


class ExemplarMemory:
    """Candidate pictures of the people in view, bounded per person and in time.

    Args:
        most_per_track: candidates per open track; raising it costs memory (about 15 kB each).
        loose_s: seconds for which a picture that belongs to no confirmed track is kept.
    """

    def __init__(self, most_per_track: int = 24, loose_s: float = 10.0) -> None:
        self._most_per_track = most_per_track
        self._loose_s = loose_s
        self._kept: dict[_Key, _Kept] = {}
        self._of_track: dict[int, list[_Key]] = {}
        self._loose: deque[_Key] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, frame: JournalFrame) -> None:
        """Remember the pictures of a frame; they belong to nobody yet."""
        if frame.embeddings is None:
            return
        for place, row in enumerate(frame.embedded_rows):
            key = (frame.frame_index, int(row))
            self._kept[key] = _Kept(frame.time_s, _exemplar(frame, place, int(row)))
            self._loose.append(key)

    def assign(self, frame_index: int, row_of_track: Mapping[int, int]) -> None:
        """Say which track each detection of the frame belongs to, as far as it is known."""
        for track_id, row in row_of_track.items():
            key = (frame_index, row)
            if key in self._kept:
                keys = self._of_track.setdefault(track_id, [])
                keys.append(key)
                if len(keys) > self._most_per_track:
                    self._drop_least_useful(keys)

    def take(self, piece: TrackPiece) -> list[Exemplar]:
        """Hand over, and forget, the pictures of a closed piece."""
        rows = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
        found = (self._kept.pop(key, None) for key in rows)
        taken = [kept.exemplar for kept in found if kept is not None]
        last = int(piece.frame_indices[-1]) if len(piece.frame_indices) else -1
        keys = self._of_track.get(piece.track_id, [])
        for key in [key for key in keys if key[0] <= last]:
            self._kept.pop(key, None)
            keys.remove(key)
        return taken

    def forget(self, time_s: float, live_tracks: Collection[int]) -> None:
        """Drop the pictures of tracks that have ended and old ones of nobody."""
        for track_id in [known for known in self._of_track if known not in live_tracks]:
            for key in self._of_track.pop(track_id):
                self._kept.pop(key, None)
        owned = {key for keys in self._of_track.values() for key in keys}
        while self._loose:
            key = self._loose[0]
            kept = self._kept.get(key)
            if kept is not None and key not in owned:
                if time_s - kept.time_s <= self._loose_s:
                    return
                del self._kept[key]
            self._loose.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._of_track.clear()
        self._loose.clear()

    def _drop_least_useful(self, keys: list[_Key]) -> None:
        held = [self._kept[key].exemplar for key in keys if key in self._kept]
        keys[:] = [key for key in keys if key in self._kept]
        if len(keys) <= self._most_per_track:
            return
        features = np.stack([exemplar.global_feature for exemplar in held])
        likeness: NDArray[np.float32] = features @ features.T
        np.fill_diagonal(likeness, -1.0)
        qualities = np.array([exemplar.quality for exemplar in held])
        worst = int(np.argmin(qualities * (1.0 - likeness.max(axis=1) + 0.01)))
        self._kept.pop(keys.pop(worst), None)


def _exemplar(frame: JournalFrame, place: int, row: int) -> Exemplar:
    assert frame.embeddings is not None
    return Exemplar(
        time_s=frame.time_s,
        frame_index=frame.frame_index,
        box_xyxy=frame.detections.boxes_xyxy[row],
        crop_jpeg=frame.crops_jpeg[place],
        quality=float(frame.qualities[place]),
        global_feature=frame.embeddings.global_features[place],
        part_features=frame.embeddings.part_features[place],
        part_visibility=frame.embeddings.part_visibility[place],
    )
