"""CUHK03, MSMT17 and MARS in every form their users have, right and broken; tracklet means."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reid_builders import (
    cuhk03_folder,
    market_folder,
    mars_folder,
    msmt17_folder,
    save_picture,
    unit_rows,
)
from scipy.io import loadmat, savemat

from reid.data import cuhk03, market, mars, msmt17
from reid.data.crops import Crops, below, crops_of
from reid.data.mat import integers, read_mat
from reid.data.source import DataSource
from reid.data.tracklets import Tracklets
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.evaluate import evaluate_folder


def labels(crops: Crops) -> list[tuple[str, int, int]]:
    """File name, identity and camera of every row."""
    names = [path.name for path in crops.paths]
    return list(zip(names, crops.identities.tolist(), crops.cameras.tolist(), strict=True))


def all_exist(crops: Crops) -> bool:
    return all(path.is_file() for path in crops.paths)


class MeanColour:
    """Global feature: mean colour of the crop, also of its only part."""

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        whole = np.array([crop.mean((0, 1)) - 127 for crop in crops_bgr], np.float32)
        whole /= np.linalg.norm(whole, axis=1, keepdims=True)
        return Embeddings(whole, whole[:, None], np.ones((len(whole), 1), np.float32), "colour")


# CUHK03


@pytest.mark.parametrize("images", [None, "labeled"])
def test_cuhk03_by_its_configuration_file(tmp_path: Path, images: str | None) -> None:
    root = cuhk03_folder(tmp_path, images=images)
    train, query, gallery = (
        cuhk03.load_split(root, "train"),
        cuhk03.load_split(root, "query"),
        cuhk03.load_split(root, "gallery"),
    )
    assert labels(train) == [
        ("1_001_1_01.png", 1, 1),
        ("1_001_1_02.png", 1, 1),
        ("1_001_2_01.png", 1, 2),
        ("1_001_2_02.png", 1, 2),
        ("2_002_1_01.png", 2, 1),
        ("2_002_1_02.png", 2, 1),
        ("2_002_2_01.png", 2, 2),
        ("2_002_2_02.png", 2, 2),
    ]
    assert labels(query) == [("3_003_1_01.png", 3, 1), ("3_003_2_01.png", 3, 2)]
    assert labels(gallery) == [("3_003_1_02.png", 3, 1), ("3_003_2_02.png", 3, 2)]
    assert all_exist(train)
    assert all_exist(query)
    assert train.identities.dtype == train.cameras.dtype == np.int64


def test_cuhk03_in_market_naming(tmp_path: Path) -> None:
    for variant, identity in (("labeled", 4), ("detected", 7)):
        save_picture(
            tmp_path / "np" / variant / "bounding_box_train" / f"000{identity}_c2_1.png", 1
        )
    for root in (tmp_path, tmp_path / "np"):
        with pytest.raises(ReidError, match=r"cuhk03_labeled=\.\.\. or cuhk03_detected="):
            cuhk03.load_split(root, "train")
        assert labels(cuhk03.load_split(root, "train", "labeled")) == [("0004_c2_1.png", 4, 2)]
        assert labels(cuhk03.load_split(root, "train", "detected")) == [("0007_c2_1.png", 7, 2)]
    only = tmp_path / "np" / "detected"
    assert labels(cuhk03.load_split(only, "train")) == [("0007_c2_1.png", 7, 2)]


def test_cuhk03_with_both_configuration_files(tmp_path: Path) -> None:
    cuhk03_folder(cuhk03_folder(tmp_path, "labeled"), "detected")
    with pytest.raises(ReidError, match="holds labeled and detected images"):
        cuhk03.load_split(tmp_path, "query")
    found = cuhk03.load_split(tmp_path, "query", "detected")
    assert {path.parent.name for path in found.paths} == {"images_detected"}


def change_mat(path: Path, **changed: Any) -> None:
    """Write a MATLAB file again with some variables replaced, or left out where None."""
    kept = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    savemat(path, {key: value for key, value in (kept | changed).items() if value is not None})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"camId": None}, "no variable 'camId'"),
        ({"labels": np.ones((3, 1))}, "filelist, labels and camId differ in length"),
        ({"labels": np.full((12, 1), 0.5)}, "labels: whole numbers are expected"),
        ({"query_idx": np.array([[0]])}, r"query_idx: not all within 1\.\.12"),
        ({"query_idx": np.array([[13]])}, r"query_idx: not all within 1\.\.12"),
        ({"query_idx": np.zeros((0, 1))}, "no images"),
    ],
)
def test_a_wrong_cuhk03_configuration(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = cuhk03_folder(tmp_path) / "cuhk03_new_protocol_config_labeled.mat"
    change_mat(path, **changed)
    with pytest.raises(ReidError, match=message) as caught:
        cuhk03.load_split(tmp_path, "query")
    assert path.name in str(caught.value)


def test_cuhk03_without_its_images(tmp_path: Path) -> None:
    cuhk03_folder(tmp_path)
    (tmp_path / "images_labeled" / "3_003_2_01.png").unlink()
    with pytest.raises(ReidError, match=r"3_003_2_01.png: no such image"):
        cuhk03.load_split(tmp_path, "query")
    assert len(cuhk03.load_split(tmp_path, "train")) == 8
    shutil.rmtree(tmp_path / "images_labeled")
    with pytest.raises(ReidError, match="no images_labeled beside cuhk03_new_protocol"):
        cuhk03.load_split(tmp_path, "train")


def test_cuhk03_without_the_variant_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no detected images: neither"):
        cuhk03.load_split(cuhk03_folder(tmp_path), "train", "detected")


# MSMT17


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
@pytest.mark.parametrize("below_root", ["", "MSMT17"])
def test_msmt17(tmp_path: Path, folders: tuple[str, str], below_root: str) -> None:
    (tmp_path / below_root).mkdir(exist_ok=True)
    msmt17_folder(tmp_path / below_root, folders)
    train = msmt17.load_split(tmp_path, "train")
    assert labels(train) == [
        ("0000_000_01_0303morning_0015_0.jpg", 1, 1),
        ("0000_001_02_0303morning_0015_0.jpg", 1, 2),
        ("0001_000_02_0303morning_0015_0.jpg", 2, 2),
        ("0001_001_03_0303morning_0015_0.jpg", 2, 3),
    ]
    query, gallery = msmt17.load_split(tmp_path, "query"), msmt17.load_split(tmp_path, "gallery")
    assert query.identities.tolist() == [1, 2], "0 is a distractor, and MSMT17 has none"
    assert gallery.cameras.tolist() == [2, 1, 3]
    assert all_exist(train)
    assert all_exist(query)
    assert all_exist(gallery)


@pytest.mark.parametrize(
    "line",
    [
        "0000/0000_000_01_0303morning_0015_0.jpg",
        "0000/0000_000_01_0303morning_0015_0.jpg x",
        "0000/0000_000_01_0303morning_0015_0.jpg -1",
        "0000/portrait.jpg 0",
        "word",
    ],
)
def test_a_wrong_line_of_an_msmt17_list(tmp_path: Path, line: str) -> None:
    path = msmt17_folder(tmp_path) / "list_query.txt"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(ReidError, match=r"list_query.txt: line 4: FOLDER/IDENTITY"):
        msmt17.load_split(tmp_path, "query")


@pytest.mark.parametrize("name", ["../0/0000_000_01_0.jpg", "/etc/0000_000_01_0.jpg"])
def test_an_msmt17_list_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (msmt17_folder(tmp_path) / "list_query.txt").write_text(f"{name} 0\n", encoding="utf-8")
    with pytest.raises(ReidError, match=r"list_query.txt: line 1: unsafe image name"):
        msmt17.load_split(tmp_path, "query")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("list_val.txt", "no file list_val.txt"),
        ("train", "neither mask_train_v2 nor train"),
    ],
)
def test_msmt17_with_something_missing(tmp_path: Path, gone: str, message: str) -> None:
    path = msmt17_folder(tmp_path) / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(ReidError, match=message):
        msmt17.load_split(tmp_path, "train")


def test_an_msmt17_list_that_is_no_text(tmp_path: Path) -> None:
    (msmt17_folder(tmp_path) / "list_query.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReidError, match=r"list_query.txt: not a readable text file"):
        msmt17.load_split(tmp_path, "query")


# MARS


@pytest.mark.parametrize("info", [True, False])
def test_mars_tracklets(tmp_path: Path, info: bool) -> None:
    mars_folder(tmp_path, info=info)
    train, gallery = mars.load_split(tmp_path, "train"), mars.load_split(tmp_path, "gallery")
    assert train.identities.tolist() == [1, 1, 1, 3, 3]
    assert train.tracklets is not None
    assert train.tracklets.tolist() == [0, 0, 1, 2, 2]
    assert gallery.identities.tolist() == [0, 0, 2, 2, 2, 2, 2, 2, 4, 4, 4], "00-1 is junk"
    assert gallery.cameras.tolist() == [2, 2, 1, 1, 1, 1, 3, 3, 2, 2, 3]
    assert gallery.tracklets is not None
    assert gallery.tracklets.tolist() == [0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 5]
    assert all_exist(train)
    assert all_exist(gallery)


def test_the_queries_of_mars_are_the_listed_ones(tmp_path: Path) -> None:
    query = mars.load_split(mars_folder(tmp_path), "query")
    assert [name for name, *_ in labels(query)] == [
        "0002C1T0002F001.jpg",
        "0002C3T0001F001.jpg",
        "0002C3T0001F002.jpg",
        "0004C2T0001F001.jpg",
        "0004C2T0001F002.jpg",
    ]
    assert query.tracklets is not None
    assert query.tracklets.tolist() == [0, 1, 1, 2, 2]


def test_without_lists_the_queries_of_mars_are_the_first_of_each_camera(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mars_folder(tmp_path, info=False)
    with caplog.at_level(logging.WARNING):
        query = mars.load_split(tmp_path, "query")
    assert "not those of the published protocol" in caplog.text
    heads = Tracklets.of(query).crops
    assert labels(heads) == [
        ("0002C1T0001F001.jpg", 2, 1),
        ("0002C3T0001F001.jpg", 2, 3),
        ("0004C2T0001F001.jpg", 4, 2),
        ("0004C3T0001F001.jpg", 4, 3),
    ]
    assert query.tracklets is not None
    assert query.tracklets.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.array([[1, 99, 1, 1]]), r"images 1\.\.99 are not all in test_name.txt"),
        (np.array([[0, 1, 1, 1]]), r"images 0\.\.1 are not all in test_name.txt"),
        (np.array([[3, 2, 0, 2]]), r"images 3\.\.2 are not all in test_name.txt"),
        (np.array([[2, 3, 5, 2]]), "0000C2T0001F001.jpg is not of identity 5, camera 2"),
        (np.array([[2, 3, 0]]), "four columns are expected"),
        (np.array([[1, 1, -1, 1]]), "no images"),
    ],
)
def test_wrong_lists_of_mars(tmp_path: Path, table: NDArray[np.int64], message: str) -> None:
    info = mars_folder(tmp_path) / "info"
    savemat(info / "tracks_test_info.mat", {"track_test_info": table})
    with pytest.raises(ReidError, match=message):
        mars.load_split(tmp_path, "gallery")


@pytest.mark.parametrize("row", [0, 8])
def test_wrong_queries_of_mars(tmp_path: Path, row: int) -> None:
    info = mars_folder(tmp_path) / "info"
    savemat(info / "query_IDX.mat", {"query_IDX": np.array([[row]])})
    with pytest.raises(ReidError, match=r"query_IDX: not all within 1\.\.7"):
        mars.load_split(tmp_path, "query")


@pytest.mark.parametrize("name", ["test_name.txt", "tracks_test_info.mat", "query_IDX.mat"])
def test_mars_with_a_list_missing(tmp_path: Path, name: str) -> None:
    (mars_folder(tmp_path) / "info" / name).unlink()
    with pytest.raises(ReidError, match=name):
        mars.load_split(tmp_path, "query")


@pytest.mark.parametrize("name", ["0002_c1s1_000451_03.jpg", "2C1T0001F001.jpg", "0002C1F001.jpg"])
def test_a_wrong_name_in_mars(tmp_path: Path, name: str) -> None:
    save_picture(mars_folder(tmp_path, info=False) / "bbox_train" / "0002" / name, 1)
    with pytest.raises(ReidError, match=f"{name}: the name is not"):
        mars.load_split(tmp_path, "train")


def test_mars_is_scored_by_tracklets(tmp_path: Path) -> None:
    found = evaluate_folder(MeanColour(), DataSource("mars", mars_folder(tmp_path)))
    assert found.queries == 3, "tracklets, not frames"
    assert found.cmc[0] == 100


# Tracklets


def test_the_mean_of_frames_by_hand() -> None:
    rng = np.random.default_rng(0)
    numbers = np.array([2, 0, 0, 2, 1, 0])
    crops = Crops(tuple(Path(f"{row}.jpg") for row in range(6)), numbers + 10, numbers + 1, numbers)
    seen = rng.random((6, 3)).astype(np.float32)
    seen[numbers == 0, 1] = 0  # no frame of tracklet 0 shows part 1
    seen[3, 2] = 0
    frames = Embeddings(unit_rows(rng, 6, 5), unit_rows(rng, 6, 3, 4), seen, "x")
    tracklets = Tracklets.of(crops)
    found = tracklets.mean(frames)
    assert labels(tracklets.crops) == [("1.jpg", 10, 1), ("4.jpg", 11, 2), ("0.jpg", 12, 3)]
    assert [rows.tolist() for rows in tracklets.rows] == [[1, 2, 5], [4], [0, 3]]
    assert len(found) == len(tracklets) == 3
    assert found.fingerprint == "x"
    for number, rows in enumerate([[1, 2, 5], [4], [0, 3]]):
        total = sum(frames.global_features[row].astype(np.float64) for row in rows)
        np.testing.assert_allclose(
            found.global_features[number], total / np.sqrt((total**2).sum()), atol=1e-6
        )
        for part in range(3):
            weights = [float(seen[row, part]) for row in rows]
            if sum(weights) == 0:
                weights = [1.0] * len(rows)
            mean = sum(
                weight * frames.part_features[row, part].astype(np.float64)
                for weight, row in zip(weights, rows, strict=True)
            )
            np.testing.assert_allclose(
                found.part_features[number, part], mean / np.sqrt((mean**2).sum()), atol=1e-6
            )
            assert found.part_visibility[number, part] == pytest.approx(
                sum(float(seen[row, part]) for row in rows) / len(rows), abs=1e-6
            )


def test_images_without_tracklets_are_their_own() -> None:
    crops = Crops((Path("a"), Path("b")), np.array([3, 3]), np.array([1, 2]))
    frames = Embeddings(*(unit_rows(np.random.default_rng(1), *s) for s in ((2, 4), (2, 1, 3))),
                        np.ones((2, 1), np.float32), "x")  # fmt: skip
    tracklets = Tracklets.of(crops)
    assert labels(tracklets.crops) == labels(crops)
    np.testing.assert_allclose(
        tracklets.mean(frames).global_features, frames.global_features, atol=1e-6
    )


# What they share


@pytest.mark.parametrize(
    ("load", "build", "folder"),
    [
        (market.load_split, market_folder, "query"),
        (mars.load_split, mars_folder, "bbox_test"),
    ],
)
def test_two_data_sets_in_one_folder_are_not_guessed_between(
    tmp_path: Path, load: Callable[[Path, str], Crops], build: Callable[[Path], Path], folder: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(tmp_path / name)
    with pytest.raises(ReidError, match=rf"{folder} is in several folders \(one, two\)"):
        load(tmp_path, "query")
    assert len(load(tmp_path / "two", "query")) > 0


def test_a_file_where_a_folder_is_expected(tmp_path: Path) -> None:
    (tmp_path / "query").write_text("x")
    with pytest.raises(ReidError, match="no folder query"):
        market.load_split(tmp_path, "query")


def test_no_query_has_a_match(tmp_path: Path) -> None:
    save_picture(tmp_path / "query" / "0001_c1s1_1.jpg", 1)
    save_picture(tmp_path / "bounding_box_test" / "0001_c1s1_2.jpg", 1)
    save_picture(tmp_path / "bounding_box_test" / "0002_c2s1_2.jpg", 2)
    with pytest.raises(ReidError, match="no query has a right answer"):
        evaluate_folder(MeanColour(), DataSource("market1501", tmp_path))


def test_a_query_without_a_match_does_not_count(tmp_path: Path) -> None:
    market_folder(tmp_path)
    save_picture(tmp_path / "query" / "0099_c1s1_1.jpg", 99)
    found = evaluate_folder(MeanColour(), DataSource("market1501", tmp_path))
    assert found.queries == 10


def test_a_corrupt_jpeg_is_named(tmp_path: Path) -> None:
    path = mars_folder(tmp_path) / "bbox_test" / "0004" / "0004C2T0001F002.jpg"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ReidError, match=r"0004C2T0001F002.jpg: not a readable image"):
        evaluate_folder(MeanColour(), DataSource("mars", tmp_path))


@pytest.mark.parametrize("content", [b"", b"no matrix", b"MATLAB 5.0 MAT-file" + b" " * 200])
def test_a_broken_mat_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"x.mat: "):
        read_mat(path, "a")


def test_a_missing_or_new_mat_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"x.mat: no such file"):
        read_mat(tmp_path / "x.mat", "a")
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + b"\0" * 64
    (tmp_path / "new.mat").write_bytes(header)
    with pytest.raises(ReidError, match=r"new.mat: a MATLAB 7.3 file"):
        read_mat(tmp_path / "new.mat", "a")


@pytest.mark.parametrize(
    "values", [np.array([0.5]), np.array([np.nan]), np.array(["x"]), np.array([1j])]
)
def test_whole_numbers_only(values: NDArray[Any]) -> None:
    assert integers(np.array([[2.0]]), "f: k").tolist() == [[2]]
    with pytest.raises(ReidError, match="f: k: whole numbers"):
        integers(values, "f: k")


def test_rows_without_junk(tmp_path: Path) -> None:
    rows = [(Path("a"), 3, 1), (Path("b"), -1, 1), (Path("c"), 0, 2)]
    assert labels(crops_of(rows, tmp_path)) == [("a", 3, 1), ("c", 0, 2)]
    with pytest.raises(ReidError, match="no images"):
        crops_of(rows[1:2], tmp_path)


def test_names_stay_below_their_folder(tmp_path: Path) -> None:
    assert below(tmp_path, "a/b.jpg", "list") == tmp_path / "a" / "b.jpg"
    for name in ("../a.jpg", "a/../../b", "/a", ""):
        with pytest.raises(ReidError, match="list: unsafe image name"):
            below(tmp_path, name, "list")
