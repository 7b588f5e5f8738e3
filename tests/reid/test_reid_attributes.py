"""Clothing and belongings of identities."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from reid.data.attributes import ATTRIBUTES, load_attributes
from reid.errors import ReidError

HIDDEN = ("age", "gender", "hair")


def write(path: Path, rows: dict[int, set[str]], header: list[str] | None = None) -> Path:
    """A CSV of identities and what they have; columns in an order of its own."""
    header = header or ["identity", "age", "gender", "hair", *reversed(ATTRIBUTES)]
    lines = [",".join(header)]
    for identity, owned in rows.items():
        values = [
            f"{identity:04}" if key == "identity" else str(1 + (key in owned)) for key in header
        ]
        lines.append(",".join(values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_values_follow_the_identities(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {7: {"backpack", "upred", "age"}, 2: {"downblue"}, 9: {"hat"}})
    found, names = load_attributes(path, np.array([2, 7, 7, 2]))
    assert found.dtype == np.float32
    assert found.shape == (4, len(names))
    owned = [{name for name, value in zip(names, row, strict=True) if value} for row in found]
    assert owned == [{"downblue"}, {"backpack", "upred"}, {"backpack", "upred"}, {"downblue"}]


def test_only_clothing_and_belongings() -> None:
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES) == 24
    for name in ATTRIBUTES:
        assert not any(word in name for word in HIDDEN)


def test_the_columns_that_are_not_read_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {1: {"bag"}}, ["identity", *ATTRIBUTES])
    assert load_attributes(path, np.array([1]))[0].sum() == 1


def test_nobody(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {1: {"bag"}})
    assert load_attributes(path, np.array([], np.int64))[0].shape == (0, 24)


def test_a_missing_identity(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {1: set()})
    with pytest.raises(ReidError, match=r"a.csv: no attributes of identity 5"):
        load_attributes(path, np.array([1, 5]))


@pytest.mark.parametrize("column", ["identity", "hat", "upgreen"])
def test_a_missing_column(tmp_path: Path, column: str) -> None:
    header = [key for key in ("identity", *ATTRIBUTES) if key != column]
    path = write(tmp_path / "a.csv", {1: set()}, header)
    with pytest.raises(ReidError, match=f"a.csv: no column {column}"):
        load_attributes(path, np.array([1]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0002" + ",1" * 23 + ",3", "line 3: downbrown: 1 .no. or 2 .yes. is expected, not '3'"),
        ("0002" + ",1" * 23, "line 3: downbrown: 1 .no. or 2 .yes. is expected, not None"),
        ("0002" + ",1" * 23 + ",yes", "not 'yes'"),
        ("two" + ",1" * 24, "line 3: identity: a number is expected, not 'two'"),
        ("-1" + ",1" * 24, "line 3: identity: a number is expected, not '-1'"),
        ("0001" + ",1" * 24, "line 3: identity 1 is there twice"),
    ],
)
def test_a_wrong_line(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.csv", {1: set()}, ["identity", *ATTRIBUTES])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ReidError, match=message):
        load_attributes(path, np.array([1]))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"one,two\n1,2\n"])
def test_a_file_that_is_no_such_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"a.csv: (no column identity|not a CSV file)"):
        load_attributes(path, np.array([1]))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"a.csv: No such file"):
        load_attributes(tmp_path / "a.csv", np.array([1]))


@pytest.mark.parametrize(("part", "folder"), [("train", "_train/"), ("test", "/query/")])
def test_every_identity_of_market1501(shared_dir: Path, part: str, folder: str) -> None:
    with zipfile.ZipFile(shared_dir / "data" / "market1501.zip") as archive:
        names = [Path(name).name for name in archive.namelist() if folder in name]
    identities = np.array([int(name[:4]) for name in names])
    path = shared_dir / "data" / f"market1501_attributes_{part}.csv"
    values, columns = load_attributes(path, identities)
    assert values.shape == (len(names), 24)
    with path.open(newline="") as file:
        table = {int(line["identity"]): line for line in csv.DictReader(file)}
    for row in range(0, len(names), 97):
        for column, value in zip(columns, values[row], strict=True):
            assert int(table[int(identities[row])][column]) == value + 1
    assert 0.5 < values[:, columns.index("up")].mean() < 1, "summer: short sleeves"
