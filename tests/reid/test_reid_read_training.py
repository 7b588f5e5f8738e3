"""What a run trains on: the size of its pictures, what is refused before they are read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from reid_builders import market_folder, person, tiny_config
from test_reid_teacher import save_teacher

from reid.config import PhaseConfig, ReidConfig
from reid.data.source import DataSource
from reid.distributed import Place
from reid.errors import ReidError
from reid.read_training import TrainingInputs, decoding_size, training_set
from reid.teacher import Teacher


def system_of(*phases_hw: tuple[int, int]) -> ReidConfig:
    return tiny_config(phases=tuple(PhaseConfig(steps=1, size_hw=size) for size in phases_hw))


def pictures(folder: Path, *sizes_hw: tuple[int, int]) -> tuple[Path, ...]:
    paths = tuple(folder / f"{number:04}_c1.png" for number in range(len(sizes_hw)))
    for path, size in zip(paths, sizes_hw, strict=True):
        cv2.imwrite(str(path), person(1, 1, *size))
    return paths


def test_one_small_picture_does_not_make_all_small(tmp_path: Path) -> None:
    """The builder's pictures are 64x32, as large as the configuration asks for."""
    market_folder(tmp_path)
    small = tmp_path / "bounding_box_train" / "0001_c1s1_000000_00.png"
    cv2.imwrite(str(small), person(1, 1, 8, 16))
    source = DataSource("market1501", tmp_path)
    data = training_set(system_of((64, 32)), source, TrainingInputs(tmp_path / "run"))
    assert data.images.shape == (20, 64, 32, 3)
    sharp = cv2.imread(str(small.with_name("0001_c1s1_000001_00.png")))
    np.testing.assert_array_equal(data.images[1], sharp[:, :, ::-1])


@pytest.mark.parametrize(
    ("pictures_hw", "phases_hw", "wanted"),
    [
        (((8, 16), (64, 32), (40, 20)), ((256, 128),), (64, 32)),
        (((8, 16), (64, 32), (40, 20)), ((32, 32),), (32, 32)),
        (((40, 8), (8, 40)), ((256, 128),), (40, 40)),
        (((300, 200),), ((64, 48), (128, 32)), (128, 48)),
        (((9, 9),), ((64, 32),), (9, 9)),
    ],
)
def test_the_largest_phase_bounded_by_the_largest_picture(
    tmp_path: Path,
    pictures_hw: tuple[tuple[int, int], ...],
    phases_hw: tuple[tuple[int, int], ...],
    wanted: tuple[int, int],
) -> None:
    assert decoding_size(system_of(*phases_hw), pictures(tmp_path, *pictures_hw)) == wanted


def test_of_many_pictures_first_and_last_are_among_the_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def size_only(path: Path) -> np.ndarray:
        read.append(path)
        return np.zeros((100 if path.stem == "999" else 20, 10, 3), np.uint8)

    monkeypatch.setattr("reid.read_training.read_image_bgr", size_only)
    paths = tuple(Path(f"{number}.png") for number in range(1000))
    assert decoding_size(system_of((256, 128)), paths) == (100, 10)
    assert len(set(read)) == len(read) == 256
    assert (read[0], read[-1]) == (paths[0], paths[-1])


def test_nothing_is_embedded_before_all_pictures_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("embedded")

    monkeypatch.setattr(Teacher, "features", refuse)
    market_folder(tmp_path)
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "torn.jpg").write_bytes(b"no picture")
    teacher = save_teacher(tmp_path / "t.xml")
    inputs = TrainingInputs(tmp_path / "run", teacher, tmp_path / "crops", quiet=True)
    system = tiny_config(unlabelled_pictures=3, unlabelled_per_batch=1)
    with pytest.raises(ReidError, match=r"torn\.jpg: not a readable image"):
        training_set(system, DataSource("market1501", tmp_path), inputs)
    assert not (tmp_path / "run").exists()


def test_several_processes_need_identities_each(tmp_path: Path) -> None:
    """Before the pictures are decoded: they are none."""
    market_folder(tmp_path)
    for path in (tmp_path / "bounding_box_train").iterdir():
        path.write_bytes(b"no picture")
    inputs = TrainingInputs(tmp_path / "run", place=Place(1, 2))
    with pytest.raises(ReidError, match="5 identities, but a batch needs 4 on each of 2 processes"):
        training_set(tiny_config(), DataSource("market1501", tmp_path), inputs)
