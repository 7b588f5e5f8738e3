"""Reading the operator's picture and choosing a person in it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from search_builders import FixedDetector

from pipeline.search_picture import (
    NOBODY,
    SearchError,
    as_bgr,
    detect_people,
    person_crop,
    read_picture,
)

PICTURE = np.arange(30 * 20 * 3, dtype=np.uint8).reshape(30, 20, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_pictures_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    cv2.imwrite(str(path), PICTURE)
    assert read_picture(path).shape == (30, 20, 3)
    assert read_picture(path.read_bytes()).shape == (30, 20, 3)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(PICTURE).save(path, exif=exif)
    assert read_picture(path).shape == (20, 30, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jpg"
    path.write_bytes(content)
    with pytest.raises(SearchError, match=r"notes.jpg is not a picture.*JPEG, PNG"):
        read_picture(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_missing_and_huge_pictures(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"gone\.png cannot be read: No such file"):
        read_picture(tmp_path / "gone.png")
    huge = tmp_path / "huge.png"
    Image.new("1", (10_000, 9_000)).save(huge)
    with pytest.raises(SearchError, match="10000 × 9000 pixels"):
        read_picture(huge)
    Image.new("1", (20_000, 10_000)).save(huge)
    with pytest.raises(SearchError, match="far too many pixels"):
        read_picture(huge)


def test_people_come_largest_first() -> None:
    detector = FixedDetector([(0, 0, 5, 10), (2, 2, 18, 28), (0, 0, 2, 2)])
    people = detect_people(PICTURE, detector)
    assert people.boxes_xyxy.tolist() == [[2, 2, 18, 28], [0, 0, 5, 10]]
    assert people.scores[1] == pytest.approx(0.9)
    assert people.notice is None


def test_without_people_the_whole_picture_is_offered() -> None:
    people = detect_people(PICTURE, FixedDetector([]))
    assert people.boxes_xyxy.tolist() == [[0, 0, 20, 30]]
    assert people.notice == NOBODY


@pytest.mark.parametrize("shape", [(30, 20), (30, 20, 1), (30, 20, 3), (30, 20, 4)])
def test_channels(shape: tuple[int, ...]) -> None:
    assert as_bgr(np.zeros(shape, np.uint8)).shape == (30, 20, 3)


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 5, 3), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3))]
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(SearchError):
        as_bgr(wrong)


def test_crop_of_a_box() -> None:
    assert person_crop(PICTURE, None).shape == (30, 20, 3)
    box = np.array([-5, 3, 10, 99], np.float32)
    np.testing.assert_array_equal(person_crop(PICTURE, box), PICTURE[3:, :10])


@pytest.mark.parametrize("box", [[0, 0, 2, 30], [25, 0, 40, 30], [0, 0, 1], [0, 0, np.nan, 9]])
def test_bad_boxes(box: list[float]) -> None:
    with pytest.raises(SearchError):
        person_crop(PICTURE, np.array(box, np.float32))
