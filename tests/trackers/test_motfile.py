"""MOTChallenge files: what is read, what is refused, and that writing is all or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.motfile import (
    MotFileError,
    MotFileExistsError,
    MotRows,
    as_written,
    format_mot,
    read_mot,
    write_mot,
    write_mot_files,
)


def one_row(frame: int = 1, identity: int = 1, score: float = 0.5) -> MotRows:
    return MotRows(
        np.array([frame]), np.array([identity]), np.array([[1, 2, 4, 6]]), np.array([score])
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("3,7,10,20,5,8,0.25,-1,-1", 0.25),
        ("3,7,10.0,20.0,5.0,8.0,0,1,1,1", 0.0),
        ("3,7,10,20,5,8", 1.0),
        (" 3 , 7 , 10 , 20 , 5 , 8 , 0.5 ", 0.5),
        ("3.0,7.0,1e1,2e1,5,8,1", 1.0),
        ("\ufeff3,7,10,20,5,8,1", 1.0),
    ],
)
def test_a_line_is_read(tmp_path: Path, line: str, score: float) -> None:
    rows = read_mot(write(tmp_path / "a.txt", line + "\n"))
    assert (rows.frames.tolist(), rows.ids.tolist()) == ([3], [7])
    assert rows.boxes_xyxy.tolist() == [[10, 20, 15, 28]]
    assert rows.boxes_xyxy.dtype == np.float64
    assert rows.scores[0] == pytest.approx(score)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,3,4,5", "5 fields, at least 6 are needed"),
        ("1 2 3 4 5 6", "1 fields"),
        ("0,2,3,4,5,6,1", "frame 0: frames count from 1"),
        ("-3,2,3,4,5,6,1", "frame -3"),
        ("1.5,2,3,4,5,6,1", "frame is not a whole number: '1.5'"),
        ("1,ann,3,4,5,6,1", "id is not a number: 'ann'"),
        ("1,2,x,4,5,6,1", "left is not a number: 'x'"),
        ("1,2,3,,5,6,1", "top is not a number: ''"),
        ("1,2,3,4,nan,6,1", "width is out of range: 'nan'"),
        ("1,2,3,4,5,inf,1", "height is out of range: 'inf'"),
        ("1,2,1e300,4,5,6,1", "left is out of range"),
        ("1,99999999999999999999,3,4,5,6,1", "id is out of range"),
        ("1,2,3,4,-5,6,1", "width -5 and height 6 must not be negative"),
        ("1,2,3,4,5,6,high", "score is not a number: 'high'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "bad.txt", f"1,1,0,0,1,1,1\n\n{line}\n")
    with pytest.raises(MotFileError) as caught:
        read_mot(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_binary_files_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path in (tmp_path / "nowhere.txt", tmp_path, binary):
        with pytest.raises(MotFileError, match="cannot read it as text") as caught:
            read_mot(path)
        assert str(path) in str(caught.value)


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    rows = read_mot(write(tmp_path / "empty.txt", "\n  \n"), unique_ids=True)
    assert len(rows) == 0
    assert rows.boxes_xyxy.shape == (0, 4)


def test_duplicate_ids_are_refused_only_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "1,-1,0,0,1,1\n\n2,-1,0,0,1,1\n1,-1,5,5,1,1\n")
    assert len(read_mot(path)) == 3
    with pytest.raises(MotFileError, match=r"a\.txt:4: id -1 is in frame 1 already \(line 1\)"):
        read_mot(path, unique_ids=True)


def test_the_written_text_is_sorted_and_has_nine_fields() -> None:
    rows = MotRows.concatenate([one_row(2, 1), one_row(1, 9), one_row(1, 3, 0.1234)])
    assert format_mot(rows).splitlines() == [
        "1,3,1.000,2.000,3.000,4.000,0.1234,-1,-1",
        "1,9,1.000,2.000,3.000,4.000,0.5000,-1,-1",
        "2,1,1.000,2.000,3.000,4.000,0.5000,-1,-1",
    ]


coordinates = st.floats(-500, 5000, width=32)
sizes = st.floats(0, 2000, width=32)


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 10**6), st.integers(-1, 2**53)),
        st.tuples(coordinates, coordinates, sizes, sizes, st.floats(0, 1, width=32)),
        max_size=8,
    )
)
def test_reading_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    boxes: dict[tuple[int, int], tuple[float, float, float, float, float]],
) -> None:
    keys = sorted(boxes)
    values = np.array([boxes[key] for key in keys]).reshape(-1, 5)
    rows = MotRows(
        np.array([frame for frame, _ in keys], np.int64),
        np.array([identity for _, identity in keys], np.int64),
        np.hstack([values[:, :2], values[:, :2] + values[:, 2:4]]),
        values[:, 4],
    )
    path = tmp_path_factory.mktemp("mot") / "rows.txt"
    write_mot(path, rows)
    back = read_mot(path, unique_ids=True)
    np.testing.assert_array_equal(back.frames, rows.frames)
    np.testing.assert_array_equal(back.ids, rows.ids)
    np.testing.assert_allclose(back.boxes_xyxy, rows.boxes_xyxy, atol=2e-3)
    np.testing.assert_allclose(back.scores, rows.scores, atol=1e-4)


def test_existing_files_are_kept_and_nothing_is_written_beside_them(tmp_path: Path) -> None:
    old = write(tmp_path / "old.txt", "keep me")
    files = {tmp_path / "new.txt": one_row(), old: one_row()}
    with pytest.raises(MotFileExistsError, match=r"old\.txt is already there"):
        write_mot_files(files)
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert old.read_text() == "keep me"
    write_mot_files(files, overwrite=True)
    assert read_mot(old).ids.tolist() == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.txt", "old.txt"]


@pytest.mark.parametrize(
    "bad",
    [
        one_row(frame=0),
        MotRows(np.array([1]), np.array([1]), np.array([[5, 0, 4, 1]]), np.array([1])),
        MotRows(np.array([1]), np.array([1]), np.array([[np.nan, 0, 4, 1]]), np.array([1])),
    ],
)
def test_a_bad_row_stops_the_writing_of_all_files(tmp_path: Path, bad: MotRows) -> None:
    with pytest.raises(MotFileError, match=r"b\.txt: frame \d, id 1: bad box"):
        write_mot_files({tmp_path / "a.txt": one_row(), tmp_path / "b.txt": bad})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MotFileError, match="cannot write: No such file or directory"):
        write_mot(tmp_path / "nowhere/a.txt", one_row())


def test_the_exists_error_is_also_the_usual_one() -> None:
    assert issubclass(MotFileExistsError, FileExistsError)
    assert issubclass(MotFileExistsError, ValueError)


def test_rows_are_selected_shifted_and_joined() -> None:
    rows = MotRows.concatenate([one_row(1, 1), one_row(2, 2), one_row(3, 3)])
    assert rows.select(rows.frames > 1).ids.tolist() == [2, 3]
    assert rows.select(np.array([2, 0])).ids.tolist() == [3, 1]
    assert rows.shifted(100).frames.tolist() == [101, 102, 103]
    assert len(MotRows.concatenate([])) == 0
    assert rows.first_duplicate() is None
    assert MotRows.concatenate([rows, one_row(2, 2)]).first_duplicate() == (3, 1)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 frames, 1 ids, 1 boxes, 1 scores"):
        MotRows(np.array([1, 2]), np.array([1]), np.zeros((1, 4)), np.zeros(1))


def test_rows_as_written_are_those_that_a_file_gives_back(tmp_path: Path) -> None:
    rows = MotRows(
        np.array([2, 1, 1]),
        np.array([1, 9, 3]),
        np.random.default_rng(0).uniform(0, 50, (3, 4)) + np.array([0, 0, 50, 50]),
        np.array([0.12345, 0, 1]),
    )
    write_mot(tmp_path / "a.txt", rows)
    from_file, direct = read_mot(tmp_path / "a.txt"), as_written(rows)
    assert direct.ids.tolist() == [3, 9, 1]
    np.testing.assert_array_equal(direct.boxes_xyxy, from_file.boxes_xyxy)
    np.testing.assert_array_equal(direct.scores, from_file.scores)
    np.testing.assert_array_equal(direct.frames, from_file.frames)
    with pytest.raises(ValueError, match="frame 0, id 1: bad box"):
        as_written(one_row(frame=0))
