from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.synthetic_people import FINGERPRINT, REMEMBERED, Crowd, Scene

SMALL = Scene(people=6, dimensions=16, parts=2, part_dimensions=8, stay_s=(0.4, 2.0))
PLAIN = Scene(people=5, missed=0, faint=0, false_boxes=0, dimensions=16, parts=2, part_dimensions=8)


def test_the_same_seed_gives_the_same_frames() -> None:
    one, two, other = (list(Crowd(SMALL, seed).frames(20)) for seed in (1, 1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.detections.boxes_xyxy, b.detections.boxes_xyxy)
        np.testing.assert_array_equal(a.embeddings.global_features, b.embeddings.global_features)
    assert not np.array_equal(one[5].detections.scores, other[5].detections.scores)


def test_a_plain_scene_shows_everybody_confidently() -> None:
    frames = list(Crowd(PLAIN, 0).frames(30))
    assert {len(frame.detections) for frame in frames} == {5}
    assert min(frame.detections.scores.min() for frame in frames) >= 0.5
    assert all(frame.embedded_rows.tolist() == [0, 1, 2, 3, 4] for frame in frames)


def test_vectors_are_unit_and_tell_people_apart() -> None:
    crowd = Crowd(Scene(people=4, missed=0, faint=0, false_boxes=0), 3)
    first, second = (frame.embeddings for frame in crowd.frames(2))
    np.testing.assert_allclose(np.linalg.norm(first.part_features, axis=2), 1, atol=1e-5)
    similar = first.global_features @ second.global_features.T
    assert similar.diagonal().min() > 0.7
    assert (similar - np.diag(similar.diagonal())).max() < 0.3
    assert (first.global_features.shape, first.part_features.shape) == ((4, 512), (4, 8, 64))
    assert first.fingerprint == FINGERPRINT


def test_people_walk_smoothly_and_stay_in_the_picture() -> None:
    scene = replace(PLAIN, jitter=0, stay_s=(60, 61))
    boxes = np.stack([frame.detections.boxes_xyxy for frame in Crowd(scene, 0).frames(400)])
    heights = boxes[:, :, 3] - boxes[:, :, 1]
    steps = np.abs(np.diff(boxes[:, :, :2], axis=0)).max(2)
    assert (steps <= heights[1:] / scene.fps + 1e-3).all()
    assert boxes.min() > -20
    assert (boxes[:, :, 2:] < np.array(scene.size_wh) + 20).all()


def test_people_come_and_go_and_few_are_remembered() -> None:
    crowd = Crowd(SMALL, 0)
    counts = [len(frame.detections) for frame in crowd.frames(500)]
    assert crowd.arrivals > 50
    assert len(crowd._gone) == REMEMBERED
    assert np.mean(counts) == pytest.approx(6 * 0.95 + 0.3, abs=0.2)


@pytest.mark.parametrize(("returning", "new_looks"), [(0.0, True), (1.0, False)])
def test_some_newcomers_have_been_there_before(returning: float, new_looks: bool) -> None:
    scene = Scene(
        people=1,
        returning=returning,
        missed=0,
        false_boxes=0,
        noise=0,
        stay_s=(0.1, 0.2),
    )
    looks = [frame.embeddings.global_features[0] for frame in Crowd(scene, 0).frames(40)]
    different = sum(float(looks[0] @ look) < 0.9 for look in looks)
    assert (different > 0) is new_looks
