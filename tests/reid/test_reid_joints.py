"""Joints of files, unusable ones, mirroring, COCO's 17 to our 14."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from reid.data.crops import Crops, Split
from reid.data.joints import (
    HEAD_OVER_FACE,
    JOINTS,
    MIRRORED,
    coco17_to_14,
    load_joints,
    move_joints,
)
from reid.errors import ReidError

STANDING = np.array(
    [
        *([32, 5], [32, 20]),
        *([24, 24], [20, 40], [18, 55], [40, 24], [44, 40], [46, 55]),
        *([27, 62], [26, 90], [26, 118], [37, 62], [38, 90], [38, 118]),
    ]
)
"""A person facing the camera: the right side is on the picture's left. Pixels from 1."""


def crops(*names: str) -> Crops:
    return Crops(
        tuple(Path("/data/x") / name for name in names),
        np.ones(len(names), np.int64),
        np.ones(len(names), np.int64),
    )


def save(path: Path, figures: dict[str, NDArray[Any]], **changed: Any) -> Path:
    arrays: dict[str, Any] = {
        "joints": np.array(JOINTS),
        "train_files": np.array(list(figures)),
        "train_xy": np.array(list(figures.values()), np.int16),
    }
    arrays |= changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_joints_are_matched_by_file_name(tmp_path: Path) -> None:
    moved = STANDING + np.array([3, -2])
    path = save(tmp_path / "j.npz", {"a.jpg": STANDING, "b.jpg": moved})
    found = load_joints(path, crops("b.jpg", "a.jpg", "b.jpg"), "train")
    assert found.shape == (3, 14, 2)
    assert found.dtype == np.float32
    for row, expected in enumerate((moved, STANDING, moved)):
        for joint in range(14):
            x, y = expected[joint]
            assert found[row, joint].tolist() == pytest.approx([(x - 0.5) / 64, (y - 0.5) / 128])


@pytest.mark.parametrize(
    ("joint", "place"),
    [
        ("l_ankle", (38, 128)),
        ("r_wrist", (1, 55)),
        ("l_wrist", (64, 55)),
        ("head_top", (32, 1)),
        ("r_knee", (0, 0)),
        ("r_knee", (70, 90)),
        ("head_top", (32, 20)),
        ("head_top", (30, 70)),
    ],
)
def test_an_unusable_joint(tmp_path: Path, joint: str, place: tuple[int, int]) -> None:
    figure = STANDING.copy()
    figure[JOINTS.index(joint)] = place
    found = load_joints(save(tmp_path / "j.npz", {"a.jpg": figure}), crops("a.jpg"), "train")
    unusable = np.isnan(found[0]).all(1)
    assert [JOINTS[row] for row in np.flatnonzero(unusable)] == [joint]
    assert not np.isnan(found[0][~unusable]).any()


def test_an_estimate_that_failed_as_a_whole(tmp_path: Path) -> None:
    figure = STANDING.copy()
    figure[1] = (32, 80)
    found = load_joints(save(tmp_path / "j.npz", {"a.jpg": figure}), crops("a.jpg"), "train")
    assert np.isnan(found).all()


def test_an_image_without_joints_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "j.npz", {"a.jpg": STANDING})
    with pytest.raises(ReidError, match=r"j.npz: train_files: no joints of b.jpg"):
        load_joints(path, crops("a.jpg", "b.jpg"), "train")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_xy": None}, "no array train_xy"),
        ({"joints": None}, "no array joints"),
        ({"joints": np.array(JOINTS[::-1])}, "joints: expected head_top, neck"),
        ({"joints": np.array(["nose"])}, "joints: expected head_top, neck"),
        ({"train_xy": np.zeros((2, 14, 2))}, "train_xy: float64 .2, 14, 2."),
        ({"train_xy": np.zeros((1, 17, 2))}, r"\(1, 14, 2\) numbers are expected"),
        ({"train_xy": np.full((1, 14, 2), "x")}, "numbers are expected"),
        ({"train_files": np.array([None], object)}, "not an .npz file of joints"),
    ],
)
def test_a_wrong_file(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = save(tmp_path / "j.npz", {"a.jpg": STANDING}, **changed)
    with pytest.raises(ReidError, match=message) as caught:
        load_joints(path, crops("a.jpg"), "train")
    assert "j.npz" in str(caught.value)


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no array query_files"):
        load_joints(save(tmp_path / "j.npz", {"a.jpg": STANDING}), crops("a.jpg"), "query")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken", b"\x80\x04N."])
def test_a_file_that_is_no_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.npz"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"j.npz: not an .npz file of joints"):
        load_joints(path, crops("a.jpg"), "train")


def test_a_single_array_or_no_file(tmp_path: Path) -> None:
    np.save(tmp_path / "j.npy", STANDING)
    for name in ("j.npy", "missing.npz"):
        with pytest.raises(ReidError, match=f"{name}: not an .npz file of joints"):
            load_joints(tmp_path / name, crops("a.jpg"), "train")


def test_the_swap_table_pairs_right_and_left() -> None:
    for joint, name in enumerate(JOINTS):
        other = {"r": "l", "l": "r"}.get(name[0], "") + name[1:] if name[1] == "_" else name
        assert JOINTS[MIRRORED[joint]] == other
        assert MIRRORED[MIRRORED[joint]] == joint


def test_joints_move_as_the_sampled_picture_does() -> None:
    """A bright spot at one joint is found at its new place, to a tenth of a pixel."""
    rng = np.random.default_rng(3)
    height, width = 60, 40
    theta = torch.zeros(14, 2, 3, dtype=torch.float64)
    theta[:, 0, 0] = torch.tensor(rng.uniform(0.8, 1.2, 14) * np.where(np.arange(14) % 2, -1, 1))
    theta[:, 1, 1] = torch.tensor(rng.uniform(0.8, 1.2, 14))
    theta[:, :, 2] = torch.tensor(rng.uniform(-0.2, 0.2, (14, 2)))
    joints = torch.tensor(rng.uniform(0.35, 0.65, (14, 14, 2)))
    rows, columns = (
        (torch.arange(size, dtype=torch.float64) + 0.5) / size for size in (height, width)
    )
    new = move_joints(joints, theta)
    for item in range(14):
        x, y = joints[item, item]
        spot = torch.exp(
            -(((rows[:, None] - y) * height) ** 2 + ((columns[None] - x) * width) ** 2) / 8
        )
        grid = F.affine_grid(theta[item : item + 1], [1, 1, height, width], align_corners=False)
        moved = F.grid_sample(spot[None, None], grid, align_corners=False)[0, 0]
        centre = [
            float((moved.sum(0) * columns).sum() / moved.sum()),
            float((moved.sum(1) * rows).sum() / moved.sum()),
        ]
        joint = MIRRORED[item] if theta[item, 0, 0] < 0 else item
        assert float(new[item, joint, 0]) == pytest.approx(centre[0], abs=0.1 / width)
        assert float(new[item, joint, 1]) == pytest.approx(centre[1], abs=0.1 / height)


COCO = (
    *("nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder"),
    *("l_elbow", "r_elbow", "l_wrist", "r_wrist"),
    *("l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle"),
)


def coco_of(figure: dict[str, tuple[float, float]]) -> NDArray[np.float64]:
    return np.array([[figure.get(name, (np.nan, np.nan)) for name in COCO]])


def test_coco_limbs_keep_their_names() -> None:
    points = np.random.default_rng(0).normal(size=(5, 17, 2))
    found = coco17_to_14(points)
    assert found.dtype == np.float32
    for joint, name in enumerate(JOINTS):
        if name in COCO:
            np.testing.assert_allclose(found[:, joint], points[:, COCO.index(name)], rtol=1e-6)


@pytest.mark.parametrize(
    ("face", "place"),
    [
        ({"nose": (0.5, 0.1), "l_eye": (0.6, 0.0), "l_ear": (0.7, 0.2), "r_ear": (0.3, 0.1)}, 0.15),
        ({"nose": (0.5, 0.1), "l_eye": (0.7, 0.1), "r_eye": (0.3, 0.1), "r_ear": (0.5, 0.2)}, 0.2),
        ({"nose": (0.5, 0.1), "l_eye": (0.6, 0.05), "r_eye": (0.4, 0.07)}, 0.06),
        ({"nose": (0.5, 0.1)}, 0.1),
    ],
)
def test_coco_neck_and_head(face: dict[str, tuple[float, float]], place: float) -> None:
    figure = {"l_shoulder": (0.7, 0.32), "r_shoulder": (0.3, 0.28)} | face
    found = coco17_to_14(coco_of(figure))[0]
    np.testing.assert_allclose(found[1], [0.5, 0.3], atol=1e-6)
    np.testing.assert_allclose(found[0], [0.5, place - HEAD_OVER_FACE * (0.3 - place)], atol=1e-6)
    assert np.isnan(found[JOINTS.index("l_hip")]).all()


def test_coco_without_a_face_or_shoulder() -> None:
    found = coco17_to_14(coco_of({"l_shoulder": (0.7, 0.3), "nose": (0.5, 0.1)}))[0]
    assert np.isnan(found[0]).all()
    assert np.isnan(found[1]).all()
    found = coco17_to_14(coco_of({"l_shoulder": (0.7, 0.3), "r_shoulder": (0.3, 0.3)}))[0]
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0.5, 0.3], atol=1e-6)


def test_coco_of_another_shape() -> None:
    with pytest.raises(ValueError, match="expected"):
        coco17_to_14(np.zeros((3, 14, 2)))


@pytest.mark.parametrize(
    ("split", "folder", "count", "headless"),
    [
        ("train", "bounding_box_train", 12_936, 300),
        ("query", "query", 3_368, 50),
        ("gallery", "bounding_box_test", 15_913, 1_500),
    ],
)
def test_every_image_of_market1501_has_joints(
    shared_dir: Path, split: Split, folder: str, count: int, headless: int
) -> None:
    with zipfile.ZipFile(shared_dir / "data" / "market1501.zip") as archive:
        paths = [Path(name) for name in archive.namelist() if f"/{folder}/" in name]
    names = [path.name for path in paths if not path.name.startswith("-1")]
    assert len(names) == count
    found = load_joints(shared_dir / "data" / "market1501_pose14.npz", crops(*names), split)
    missing = np.isnan(found).any(2)
    assert missing[:, 0].sum() < headless, "most pictures show a head"
    known = found[~missing]
    assert known.min() > 0
    assert known.max() < 1
    middle = np.nanmean(found, axis=0)
    assert (middle[0, 1] < middle[1, 1] < middle[8, 1] < middle[9, 1] < middle[10, 1]).all()
