"""--data NAME=FOLDER_OR_ZIP: names, folders used in place, zip files unpacked and cleaned up."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from reid_builders import cuhk03_folder, market_folder, mars_folder, msmt17_folder

from reid.data.crops import Split
from reid.data.source import KNOWN_DATA, DataSource, data_folder, load_split, parse_data
from reid.errors import ReidError

SPLITS: tuple[Split, ...] = ("train", "query", "gallery")


def opened(path: Path) -> AbstractContextManager[DataSource]:
    return data_folder(DataSource("market1501", path))


def test_data_option(tmp_path: Path) -> None:
    assert parse_data(f"market1501={tmp_path}") == DataSource("market1501", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder", "NAME=FOLDER_OR_ZIP"),
        ("market1501=", "NAME=FOLDER_OR_ZIP"),
        ("duke=x", "unknown data set 'duke'; known: market1501, cuhk03"),
        ("market1501=/no/such/place", "no such folder"),
    ],
)
def test_bad_data_option(text: str, message: str) -> None:
    with pytest.raises(ReidError, match=message):
        parse_data(text)


def test_a_folder_is_used_in_place(tmp_path: Path) -> None:
    source = DataSource("market1501", tmp_path)
    with data_folder(source) as found:
        assert found == source


def test_a_zip_is_unpacked_and_cleaned_up(tmp_path: Path) -> None:
    folder = market_folder(tmp_path / "data")
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("M/readme.txt", "not needed")
        for file in folder.rglob("*.png"):
            archive.write(file, f"M/{file.relative_to(folder)}")
    with data_folder(DataSource("market1501", path)) as source:
        assert len(load_split(source, "train")) == 20
        assert not list(source.path.rglob("*.txt"))
    assert not source.path.exists()


@pytest.mark.parametrize("name", ["../0001_c1.jpg", "/etc/0001_c1.jpg", "a/../../x.jpg", "C:x.jpg"])
def test_members_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with (
        pytest.raises(ReidError, match="unsafe member name"),
        data_folder(DataSource("market1501", path)),
    ):
        pass


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    link = zipfile.ZipInfo("query/0001_c1.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ReidError, match="is a link"), opened(path):
        pass


def test_not_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(b"PK but no more")
    with (
        pytest.raises(ReidError, match="not a readable zip file"),
        data_folder(DataSource("market1501", path)),
    ):
        pass


def test_a_damaged_zip(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("query/0001_c1.jpg", b"a picture" * 500)
    content = bytearray(path.read_bytes())
    content[50:60] = b"\xff" * 10
    path.write_bytes(content)
    with (
        pytest.raises(ReidError, match="not a readable zip file"),
        data_folder(DataSource("market1501", path)),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "build", "counts"),
    [
        ("cuhk03", cuhk03_folder, (8, 2, 2)),
        ("cuhk03_labeled", cuhk03_folder, (8, 2, 2)),
        ("msmt17", msmt17_folder, (4, 2, 3)),
        ("mars", mars_folder, (5, 5, 11)),
    ],
)
def test_a_zip_keeps_the_lists_of_its_data_set(
    tmp_path: Path, name: str, build: Callable[[Path], Path], counts: tuple[int, int, int]
) -> None:
    folder = build(tmp_path / "data")
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/notes.doc", "not needed")
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, f"top/{file.relative_to(folder)}")
    with data_folder(parse_data(f"{name}={path}")) as source:
        assert tuple(len(load_split(source, split)) for split in SPLITS) == counts
        assert not list(source.path.rglob("*.doc"))
    assert not source.path.exists()


@pytest.mark.parametrize("name", KNOWN_DATA)
@pytest.mark.parametrize("split", SPLITS)
def test_an_empty_folder_is_not_any_layout(tmp_path: Path, name: str, split: Split) -> None:
    with pytest.raises(ReidError, match=rf"{tmp_path}: no .*(folder|file|images)"):
        load_split(parse_data(f"{name}={tmp_path}"), split)


def test_market1501_itself(shared_dir: Path, tmp_path: Path) -> None:
    """The names in the zip file, as empty files; 3,819 of the gallery's 19,732 are junk."""
    with zipfile.ZipFile(shared_dir / "data" / "market1501.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
    for folder in {str(Path(name).parent) for name in names}:
        (tmp_path / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / name).touch()
    source = DataSource("market1501", tmp_path)
    train, query, gallery = (load_split(source, split) for split in SPLITS)
    assert (len(train), len(query), len(gallery)) == (12_936, 3_368, 15_913)
    assert len(set(train.identities.tolist())) == 751
    assert len(set(query.identities.tolist())) == 750
    assert len(set(gallery.identities.tolist())) == 751, "750 people and the distractors"
    assert int((gallery.identities == 0).sum()) == 2_798
    assert len(names) - 12_936 - 3_368 == 19_732
    for crops in (train, query, gallery):
        assert set(crops.cameras.tolist()) == {1, 2, 3, 4, 5, 6}
