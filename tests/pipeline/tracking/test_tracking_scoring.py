"""Tables of results: combined, mean, all as one, and what counts in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.tracking.score_tables import as_data, as_tables
from pipeline.tracking.scoring import Figures, Scoreboard, Speed, Tracked, joined_rows, score
from pipeline.tracking.sequence_folder import SequenceFolder, read_sequences
from tests.pipeline.tracking.sequence_builders import write_sequence
from trackers.motfile import MotRows


def boxes(*rows: tuple[int, int, float]) -> MotRows:
    """Boxes 10 wide and 20 high of (frame, id, left)."""
    frames, ids, lefts = (np.array(column) for column in zip(*rows, strict=True))
    edges = np.stack([lefts, 0 * lefts, lefts + 10, 0 * lefts + 20], axis=1)
    return MotRows(frames, ids, edges, np.ones(len(frames)))


@pytest.fixture
def sequences(tmp_path: Path) -> list[SequenceFolder]:
    write_sequence(tmp_path, "first", 10)
    write_sequence(tmp_path, "second", 20)
    return read_sequences([tmp_path])


def renamed(rows: MotRows, ids: dict[int, int]) -> MotRows:
    return MotRows(rows.frames, [ids[i] for i in rows.ids], rows.boxes_xyxy, rows.scores)


def board_of(
    sequences: list[SequenceFolder], tracks: dict[str, MotRows], *, shared: bool = True
) -> Scoreboard:
    speeds = {"first": Speed(10, 0.1), "second": Speed(20, 0.1)}
    labels = {s.name: s.labels() for s in sequences}
    tracked = Tracked("some", tracks, speeds, shared_ids=shared)
    return score(tracked, sequences, labels, one_id_space=True)


def test_perfect_tracks_score_one(sequences: list[SequenceFolder]) -> None:
    board = board_of(sequences, {s.name: s.ground_truth() for s in sequences})
    for figures in (*board.sequences.values(), board.combined, board.mean, board.as_one):
        assert figures is not None
        assert (figures.hota, figures.idf1, figures.mota) == pytest.approx((1, 1, 1))
        assert (figures.idsw, figures.fragments) == (0, 0)


def test_combined_weighs_by_boxes_and_the_mean_does_not(sequences: list[SequenceFolder]) -> None:
    tracks = {s.name: s.ground_truth() for s in sequences}
    tracks["first"] = tracks["first"].select(tracks["first"].ids == 1)
    board = board_of(sequences, tracks)
    assert board.sequences["first"].mota == pytest.approx(0.5)
    assert board.mean.mota == pytest.approx(0.75)
    assert board.combined.mota == pytest.approx(50 / 60)
    assert board.sequences["first"].hz == pytest.approx(100)
    assert board.mean.hz == pytest.approx(150)
    assert board.combined.hz == pytest.approx(30 / 0.2)


def test_people_who_change_id_between_sequences_cost_only_as_one(
    sequences: list[SequenceFolder],
) -> None:
    tracks = {s.name: s.ground_truth() for s in sequences}
    tracks["second"] = renamed(tracks["second"], {1: 2, 2: 1})
    board = board_of(sequences, tracks)
    assert board.combined.idf1 == pytest.approx(1)
    assert board.as_one is not None
    assert board.as_one.idf1 == pytest.approx(40 / 60)
    assert board.as_one.idsw == 2


def test_ids_of_separate_trackers_are_not_shared(sequences: list[SequenceFolder]) -> None:
    tracks = {s.name: s.ground_truth() for s in sequences}
    board = board_of(sequences, tracks, shared=False)
    assert board.as_one is not None
    assert board.as_one.idf1 == pytest.approx(40 / 60)


def test_sequences_are_laid_one_after_the_other() -> None:
    pairs = [
        (boxes((1, 1, 0), (3, 2, 0)), boxes((1, 7, 0), (2, 9, 0))),
        (boxes((1, 2, 0)), boxes((1, 7, 0))),
    ]
    gt, hyp = joined_rows(pairs, [5, 4], shared_ids=True)
    assert (gt.frames.tolist(), gt.ids.tolist()) == ([1, 3, 6], [1, 2, 2])
    assert (hyp.frames.tolist(), hyp.ids.tolist()) == ([1, 2, 6], [7, 9, 7])
    apart = joined_rows(pairs, [5, 4], shared_ids=False)[1]
    assert apart.ids.tolist() == [0, 1, 2]


def test_mot20_leaves_vehicles_without_motor_out(tmp_path: Path) -> None:
    def line(frame: int, person: int, box: tuple[int, int, int, int]) -> str:
        return f"{frame},{person},{','.join(map(str, box))},1,{1 if person == 1 else 6},1"

    for name in ("MOT17-01", "MOT20-01"):
        write_sequence(tmp_path, name, 5, line)
    found = read_sequences([tmp_path])
    tracks = {s.name: s.labels().rows for s in found}
    labels = {s.name: s.labels() for s in found}
    board = score(Tracked("x", tracks, {}, shared_ids=True), found, labels)
    assert board.sequences["MOT17-01"].mota == pytest.approx(0)  # five found, five false
    assert board.sequences["MOT20-01"].mota == pytest.approx(1)
    assert board.as_one is None


@pytest.mark.parametrize(("seconds", "hz"), [(2.0, 5.0), (0.0, None)])
def test_speed(seconds: float, hz: float | None) -> None:
    assert Speed(10, seconds).hz == hz


def test_tables_show_percents_counts_and_a_comparison() -> None:
    row = Figures(0.5, 0.25, 0.75, 0.6, -0.125, 3, 4, None)
    mean = Figures.mean([row, row])
    one = Scoreboard("a", {"s": row}, row, mean, None)
    two = Scoreboard("b", {"s": row}, row, mean, row)
    assert [grid.title for grid in as_tables([one])] == ["a"]
    assert as_tables([one])[0].rows[0] == (
        *("s", "50.00", "25.00", "75.00", "60.00", "-12.50"),
        *("3", "4", "–"),
    )
    assert as_tables([one])[0].rows[-1][6] == "3.0"
    assert [row[0] for row in as_tables([two])[0].rows] == ["s", "combined", "mean", "one id space"]
    titles = [grid.title for grid in as_tables([two, two])]
    assert titles == ["b", "b", "combined", "mean over the sequences", "one id space"]
    assert len(as_tables([one, two])) == 4
    data = as_data(two)
    assert data["combined"]["mota"] == -0.125
    assert data["one_id_space"]["hz"] is None
    assert as_data(one)["one_id_space"] is None
