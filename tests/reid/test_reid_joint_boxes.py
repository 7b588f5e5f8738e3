"""Boxes around joints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid.heads.joint_boxes import bounding_boxes

NAN = float("nan")
FALLBACK = ((0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8))


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        ([(0.2, 0.9), (0.6, 0.1), (0.5, 0.5)], [(0.1, 0.0, 0.7, 1.0), (0.4, 0.4, 0.6, 0.6)]),
        ([(NAN, NAN), (0.6, 0.1), (0.5, 0.5)], [(0.5, 0.0, 0.7, 0.2), (0.4, 0.4, 0.6, 0.6)]),
        ([(0.2, NAN), (NAN, 0.1), (NAN, NAN)], [FALLBACK[0], FALLBACK[1]]),
    ],
)
def test_known_boxes(joints: list[tuple[float, float]], expected: list[tuple[float, ...]]) -> None:
    points = torch.tensor([joints], dtype=torch.float64)
    found = bounding_boxes(points, ((0, 1), (2,)), FALLBACK, margin=0.1)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64))


def test_equals_a_loop_where_joints_are_missing() -> None:
    rng = np.random.default_rng(0)
    joints = rng.uniform(size=(20, 5, 2))
    joints[rng.uniform(size=(20, 5)) < 0.5] = np.nan
    regions = ((0, 1), (1, 2, 3, 4))
    found = bounding_boxes(torch.from_numpy(joints), regions, FALLBACK, margin=0.0).numpy()
    fell_back = 0
    for b in range(20):
        for r, region in enumerate(regions):
            seen = [joints[b, j] for j in region if not np.isnan(joints[b, j]).any()]
            fell_back += not seen
            expected = FALLBACK[r]
            if seen:
                xs, ys = [x for x, _ in seen], [y for _, y in seen]
                expected = (min(xs), min(ys), max(xs), max(ys))
            np.testing.assert_allclose(found[b, r], expected)
    assert 0 < fell_back < 20
