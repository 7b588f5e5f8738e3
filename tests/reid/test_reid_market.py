"""Market-1501 folders: layout, names, junk, broken images, zip files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from reid_builders import person

from reid.data.market import load_split, read_image_bgr, read_images
from reid.errors import ReidError


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), person(1, 1, 16, 8))


def test_identities_and_cameras_come_from_the_names(tmp_path: Path) -> None:
    put(
        tmp_path / "query",
        "0002_c1s1_000451_03.jpg",
        "1500_c6s3_086567_01.png",
        "0000_c3s2_000001_00.jpg",
    )
    crops = load_split(tmp_path, "query")
    found = {p.name: (i, c) for p, i, c in zip(*_fields(crops), strict=True)}
    assert found == {
        "0002_c1s1_000451_03.jpg": (2, 1),
        "1500_c6s3_086567_01.png": (1500, 6),
        "0000_c3s2_000001_00.jpg": (0, 3),
    }
    assert crops.identities.dtype == crops.cameras.dtype == np.int64
    assert len(crops) == 3


def _fields(crops):  # type: ignore[no-untyped-def]
    return crops.paths, crops.identities.tolist(), crops.cameras.tolist()


@pytest.mark.parametrize(
    ("split", "folder"),
    [("train", "bounding_box_train"), ("query", "query"), ("gallery", "bounding_box_test")],
)
def test_splits_and_one_folder_above_them(tmp_path: Path, split: str, folder: str) -> None:
    put(tmp_path / "Market-1501" / folder, "0007_c1s1_1.jpg")
    assert load_split(tmp_path, split).identities.tolist() == [7]
    assert load_split(tmp_path / "Market-1501", split).identities.tolist() == [7]


def test_junk_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "query", "-1_c1s1_1.jpg", "0003_c2s1_1.jpg")
    assert load_split(tmp_path, "query").identities.tolist() == [3]


def test_other_files_are_ignored(tmp_path: Path) -> None:
    put(tmp_path / "query", "0003_c2s1_1.jpg")
    (tmp_path / "query" / "Thumbs.db").write_bytes(b"x")
    assert len(load_split(tmp_path, "query")) == 1


def test_names_may_end_in_capitals_and_in_jpeg(tmp_path: Path) -> None:
    put(tmp_path / "query", "0003_c2s1_1.JPG", "0005_c1s1_1.jpeg", "0004_c1s1_1.Png")
    assert load_split(tmp_path, "query").identities.tolist() == [3, 4, 5]


@pytest.mark.parametrize("name", ["portrait.jpg", "0002.jpg", "c1_0002.jpg", "0002_s1.jpg"])
def test_a_bad_name_is_refused_by_name(tmp_path: Path, name: str) -> None:
    put(tmp_path / "query", "0003_c2s1_1.jpg", name)
    with pytest.raises(ReidError, match=f"{name}: the name"):
        load_split(tmp_path, "query")


@pytest.mark.parametrize("names", [(), ("-1_c1s1_1.jpg",)])
def test_an_empty_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    put(tmp_path / "query", *names)
    with pytest.raises(ReidError, match="no images"):
        load_split(tmp_path, "query")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no folder bounding_box_train"):
        load_split(tmp_path, "train")


def test_images_are_rgb_and_resized(tmp_path: Path) -> None:
    blue = np.full((10, 6, 3), (200, 20, 10), np.uint8)
    path = tmp_path / "0001_c1.png"
    cv2.imwrite(str(path), blue)
    np.testing.assert_array_equal(read_image_bgr(path), blue)
    found = read_images((path, path), 20, 12)
    assert found.shape == (2, 20, 12, 3)
    assert found[0, 3, 3].tolist() == [10, 20, 200]


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 no picture", b"text"])
def test_a_corrupt_image_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0001_c1s1.jpg"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"0001_c1s1.jpg: not a readable image"):
        read_images((path,), 8, 8)


def jpeg(progressive: bool = False) -> bytes:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", person(1, 1, 64, 32), options)[1].tobytes()


def with_small_picture(content: bytes) -> bytes:
    """The JPEG with a whole one in a segment in front, as cameras put a preview there."""
    small = jpeg()
    return content[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + content[2:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\0" * 300])
@pytest.mark.parametrize("preview", [False, True])
def test_a_jpeg_cut_off_is_refused_by_name(
    tmp_path: Path, progressive: bool, ending: bytes, preview: bool
) -> None:
    content = jpeg(progressive)
    content = content[: len(content) * 7 // 8]
    path = tmp_path / "0001_c1s1.jpg"
    path.write_bytes((with_small_picture(content) if preview else content) + ending)
    assert cv2.imread(str(path)) is not None, "OpenCV fills it up"
    with pytest.raises(ReidError, match=r"0001_c1s1.jpg: .* the JPEG's end is missing"):
        read_image_bgr(path)


@pytest.mark.parametrize("part", [0.5, 0.7, 0.99])
def test_a_part_of_a_jpeg_is_never_read(tmp_path: Path, part: float) -> None:
    path = tmp_path / "0001_c1s1.jpg"
    path.write_bytes(jpeg()[: int(len(jpeg()) * part)])
    with pytest.raises(ReidError, match=r"0001_c1s1.jpg: "):
        read_image_bgr(path)


@pytest.mark.parametrize("ending", [b"", b"\0" * 300, b"\r\n", b"more of a phone \xff\xda"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_is_read_whatever_follows(
    tmp_path: Path, progressive: bool, ending: bytes
) -> None:
    path = tmp_path / "0001_c1s1.jpg"
    path.write_bytes(with_small_picture(jpeg(progressive)) + ending)
    whole = cv2.imdecode(np.frombuffer(jpeg(progressive), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read_image_bgr(path), whole)
