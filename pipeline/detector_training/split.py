"""Deterministic partitions of frames, so that a scored frame is never trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.detector_training.labelled_frame import Part

HELD_BACK_SHARE = 0.25
CHOOSE_SHARE = 0.15
SHORTEST_FOR_CHOOSING_S = 8.0
GAP_S = 1.0


def split_in_time(frame_count: int, rate_hz: float) -> list[Part | None]:
    """Assign each frame of one recording by time.

    The last 25 % are held back. Of recordings of at least 8 s, the 15 % before them choose
    settings. One second before each border belongs to no part, because neighbouring frames are
    nearly the same picture.

    Returns:
        one `Part` per frame, or None for the frames of a gap.
    """
    gap = round(GAP_S * rate_hz)
    held_back_from = round(frame_count * (1 - HELD_BACK_SHARE))
    choose_from = held_back_from - gap
    if frame_count / rate_hz >= SHORTEST_FOR_CHOOSING_S:
        choose_from = round(frame_count * (1 - HELD_BACK_SHARE - CHOOSE_SHARE))
    train_until = choose_from - gap if choose_from < held_back_from - gap else choose_from
    parts: list[Part | None] = []
    for index in range(frame_count):
        if index < train_until:
            parts.append(Part.TRAIN)
        elif index >= held_back_from:
            parts.append(Part.HELD_BACK)
        elif choose_from <= index < held_back_from - gap:
            parts.append(Part.CHOOSE)
        else:
            parts.append(None)
    return parts


def split_shuffled(names: Sequence[str], seed: int) -> dict[str, Part]:
    """Assign independent pictures by a seeded shuffle of their sorted names.

    25 % are held back, 15 % choose settings, the rest trains. The order in which the names are
    given does not matter.
    """
    ordered = sorted(names)
    shuffled = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    held_back = round(len(ordered) * HELD_BACK_SHARE)
    choose = held_back + round(len(ordered) * CHOOSE_SHARE)
    return {
        name: Part.HELD_BACK if i < held_back else Part.CHOOSE if i < choose else Part.TRAIN
        for i, name in enumerate(shuffled)
    }
