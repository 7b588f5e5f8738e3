from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch

from benchmarks.boxmot_child import _mot_lines, frames
from trackers.motfile import read_mot


def test_frames_have_their_own_picture_and_boxes(tmp_path: Path) -> None:
    images = []
    for number in (1, 2, 3):
        images.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(images[-1], np.full((4, 6, 3), number, np.uint8))
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    scores = np.array([0.5, 0.6, 0.7], np.float32)
    np.savez(tmp_path / "boxes.npz", boxes_xyxy=boxes, scores=scores, counts=np.array([2, 0, 1]))
    found = list(frames({"images": images, "boxes": str(tmp_path / "boxes.npz")}))
    assert [int(image[0, 0, 0]) for image, _, _ in found] == [1, 2, 3]
    assert [s.tolist() for _, _, s in found] == [scores[:2].tolist(), [], scores[2:].tolist()]
    np.testing.assert_array_equal(found[2][1], boxes[2:])


def test_tracks_become_lines_that_we_can_read(tmp_path: Path) -> None:
    tracks = SimpleNamespace(
        geometry=SimpleNamespace(values=torch.tensor([[1.5, 2, 11.5, 32], [5, 6, 7, 9]])),
        track_ids=torch.tensor([4, 9]),
        scores=torch.tensor([0.25, 1.0]),
    )
    path = tmp_path / "out.txt"
    path.write_text("".join(_mot_lines(3, tracks)))
    rows = read_mot(path, unique_ids=True)
    assert (rows.frames.tolist(), rows.ids.tolist()) == ([3, 3], [4, 9])
    np.testing.assert_allclose(rows.boxes_xyxy, [[1.5, 2, 11.5, 32], [5, 6, 7, 9]])
    np.testing.assert_allclose(rows.scores, [0.25, 1.0])
