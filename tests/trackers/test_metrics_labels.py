"""Ground truth with classes: what is read, what is scored, and that TrackEval agrees on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trackers.test_metrics_trackeval import assert_equal, trackeval_metrics
from trackers.metrics import (
    MotLabels,
    SequenceScores,
    TrackingSequence,
    best_pairs,
    combine_scores,
    comparable_rows,
    read_labels,
    score_sequence,
)
from trackers.metrics.labels import DISTRACTORS, MOT20_DISTRACTORS
from trackers.motfile import MotFileError, MotRows, read_mot


def gt_file(folder: Path, *lines: str) -> Path:
    path = folder / "gt.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def boxes(*rows: tuple[int, int, float]) -> MotRows:
    """Boxes 10 wide and 20 high of (frame, id, left)."""
    frames, ids, lefts = (np.array(column) for column in zip(*rows, strict=True))
    edges = np.stack([lefts, 0 * lefts, lefts + 10, 0 * lefts + 20], axis=1)
    return MotRows(frames, ids, edges, np.ones(len(frames)))


@pytest.mark.parametrize(
    ("lines", "classes"),
    [
        (["1,1,0,0,5,5,1"], None),
        (["1,1,0,0,5,5,1,-1,-1,-1"], None),
        (["1,1,0,0,5,5,1,-1,-1"], None),
        (["1,1,0,0,5,5,1,-5.0036,11.9,0.7"], None),
        (["1,1,0,0,5,5,1,3,2,0", "1,2,0,0,5,5,1,1,1,0"], None),
        (["1,1,0,0,5,5,1,1,0.5", "", "1,2,0,0,5,5,1,7,1"], [1, 7]),
        (["1,1,0,0,5,5,1,1", "1,2,0,0,5,5,1,13.0"], [1, 13]),
        ([], None),
    ],
)
def test_classes_are_read_where_there_are_any(
    tmp_path: Path, lines: list[str], classes: list[int] | None
) -> None:
    labels = read_labels(gt_file(tmp_path, *lines))
    assert len(labels.rows) == len([line for line in lines if line])
    assert (None if labels.classes is None else labels.classes.tolist()) == classes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,0,0,5,5,1,0,1", "class '0' is none of MOTChallenge's 1 to 13"),
        ("1,2,0,0,5,5,1,14,1", "class '14' is none"),
        ("1,2,0,0,5,5,1,1.5,1", "class '1.5' is none"),
        ("1,2,0,0,5,5,1,man,1", "class 'man' is none"),
        ("1,2,0,0,5,5,1", "no class in the 8th field, but other lines have"),
        ("1,2,0,0,5,5,1,-1,1", "no class in the 8th field"),
        ("1,1,0,0,5,5,1,1,1", "id 1 is in frame 1 already"),
    ],
)
def test_bad_classes_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = gt_file(tmp_path, "1,1,0,0,5,5,1,1,1", "", line)
    with pytest.raises(MotFileError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_only_people_with_a_score_are_scored() -> None:
    rows = boxes((1, 1, 0), (1, 2, 50), (1, 3, 100), (2, 1, 0))
    marked = MotRows(rows.frames, rows.ids, rows.boxes_xyxy, np.array([1, 1, 1, 0]))
    assert MotLabels(marked, None).scored().ids.tolist() == [1, 2, 3]
    assert MotLabels(marked, np.array([1, 1, 7, 1])).scored().ids.tolist() == [1, 2]


@pytest.mark.parametrize("wrong_class", range(1, 14))
def test_boxes_on_distractors_are_left_out(wrong_class: int) -> None:
    labels = MotLabels(boxes((1, 1, 0), (1, 2, 50), (2, 1, 0)), np.array([1, wrong_class, 1]))
    hyp = boxes((1, 5, 1), (1, 6, 51), (1, 7, 200), (2, 6, 51))
    gt, kept = comparable_rows(labels, hyp)
    assert gt.ids.tolist() == ([1, 2, 1] if wrong_class == 1 else [1, 1])
    dropped = wrong_class in (2, 7, 8, 12)
    assert kept.ids.tolist() == ([5, 7, 6] if dropped else [5, 6, 7, 6])
    in_mot20 = comparable_rows(labels, hyp, MOT20_DISTRACTORS)[1]
    assert (len(in_mot20) == 3) == (dropped or wrong_class == 6)


def test_a_box_that_fits_a_person_better_stays_beside_a_distractor() -> None:
    labels = MotLabels(boxes((1, 1, 0), (1, 2, 2)), np.array([1, 8]))
    assert comparable_rows(labels, boxes((1, 5, 0)))[1].ids.tolist() == [5]
    assert comparable_rows(labels, boxes((1, 5, 2)))[1].ids.tolist() == []


def test_an_unscored_person_protects_no_box_and_drops_none() -> None:
    rows = boxes((1, 1, 0))
    marked = MotRows(rows.frames, rows.ids, rows.boxes_xyxy, np.zeros(1))
    gt, hyp = comparable_rows(MotLabels(marked, np.array([1])), boxes((1, 5, 0)))
    assert (len(gt), len(hyp)) == (0, 1)


def test_without_classes_nothing_is_left_out() -> None:
    hyp = boxes((1, 5, 0), (9, 5, 0))
    assert comparable_rows(MotLabels(boxes((1, 1, 0)), None), hyp)[1] is hyp


@pytest.mark.parametrize(
    ("least", "expected"), [(0.5, [(0, 1), (1, 0)]), (0.75, [(1, 0)]), (0.9, [])]
)
def test_pairs_are_the_best_in_sum(least: float, expected: list[tuple[int, int]]) -> None:
    similarity = np.array([[0.7, 0.5], [0.8, 0.1], [0.0, 0.0]])
    rows, columns = best_pairs(similarity, least)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


# Equality with TrackEval, from files to numbers.


def labelled_lines(rng: np.random.Generator, style: str, n_frames: int) -> list[str]:
    """Walking people, and in MOT16's style things of other classes; some are marked as unscored."""
    lines = []
    for thing in range(1, 13):
        kind = 1 if thing < 7 else int(rng.integers(1, 14))
        left, top, speed = rng.uniform(0, 400), rng.uniform(0, 80), rng.uniform(-4, 4)
        for frame in range(1, n_frames + 1):
            if rng.random() < 0.15:
                continue
            score = int(rng.random() > 0.1)
            box = f"{left + speed * frame:.2f},{top:.2f},{30 + thing / 3:.3f},80.25"
            tail = {"MOT15": "-1,-1,-1", "MOT15-world": "4.4852,5.5,0"}.get(style, f"{kind},0.8")
            lines.append(f"{frame},{thing},{box},{score},{tail}")
    return lines


def result_lines(rng: np.random.Generator, gt_lines: list[str], n_frames: int) -> list[str]:
    """What a poor tracker reports of these: shifted, missed, swapped, and false."""
    lines, taken = [], set()
    for line in gt_lines:
        frame, thing, left, top, width, height = (float(f) for f in line.split(",")[:6])
        identity = int(thing) + 100 * int(frame > n_frames / 2 and thing % 3 == 0)
        if rng.random() > 0.2 and (frame, identity) not in taken:
            taken.add((frame, identity))
            left, top = left + rng.normal(0, 5), top + rng.normal(0, 8)
            place = f"{left:.3f},{top:.3f},{width:.3f},{height * rng.uniform(0.8, 1.2):.3f}"
            lines.append(f"{int(frame)},{identity},{place},{rng.random():.4f},-1,-1,-1")
    for frame in range(1, n_frames + 1, 3):
        lines.append(f"{frame},999,{rng.uniform(0, 400):.3f},10.5,30,80,0.9,-1,-1,-1")
    rng.shuffle(lines)
    return lines


def write_benchmark(root: Path, style: str, names: list[str], n_frames: int = 40) -> None:
    """`root/gt/SEQUENCE/gt/gt.txt` and `root/ours/data/SEQUENCE.txt`."""
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        gt = labelled_lines(rng, style, n_frames)
        folder = root / "gt" / name / "gt"
        folder.mkdir(parents=True)
        gt_file(folder, *gt)
        results = root / "results" / "ours" / "data" / f"{name}.txt"
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text("\n".join(result_lines(rng, gt, n_frames)) + "\n")


def trackeval_of_files(
    gt: Path, results: Path, benchmark: str, lengths: dict[str, int]
) -> dict[str, dict[str, Any]]:
    """TrackEval's numbers of `gt/SEQUENCE/gt/gt.txt` and `results/ours/data/SEQUENCE.txt`.

    By sequence, and `combined`: by part (hota, clear, identity), by TrackEval's name.
    """
    datasets = pytest.importorskip("trackeval.datasets")
    settings = {
        "GT_FOLDER": str(gt),
        "TRACKERS_FOLDER": str(results),
        "TRACKERS_TO_EVAL": ["ours"],
        "BENCHMARK": benchmark,
        "SKIP_SPLIT_FOL": True,
        "SEQ_INFO": dict(lengths),
        "PRINT_CONFIG": False,
    }
    dataset = datasets.MotChallenge2DBox(settings)
    found: dict[str, dict[str, Any]] = {}
    for name in lengths:
        raw = dataset.get_raw_seq_data("ours", name)
        data = dataset.get_preprocessed_seq_data(raw, "pedestrian")
        found[name] = {k: m.eval_sequence(data) for k, m in trackeval_metrics().items()}
    found["combined"] = {
        part: metric.combine_sequences({name: found[name][part] for name in lengths})
        for part, metric in trackeval_metrics().items()
    }
    return found


@pytest.mark.parametrize("style", ["MOT15", "MOT15-world", "MOT16", "MOT17", "MOT20"])
def test_files_score_as_in_trackeval(tmp_path: Path, style: str) -> None:
    names = [f"{style}-01", f"{style}-02"]
    write_benchmark(tmp_path, style, names)
    theirs = trackeval_of_files(
        tmp_path / "gt", tmp_path / "results", style[:5], dict.fromkeys(names, 40)
    )
    ours: list[SequenceScores] = []
    dropped = 0
    for name in names:
        labels = read_labels(tmp_path / "gt" / name / "gt/gt.txt")
        hyp = read_mot(tmp_path / "results/ours/data" / f"{name}.txt", unique_ids=True)
        distractors = MOT20_DISTRACTORS if style == "MOT20" else DISTRACTORS
        gt, kept = comparable_rows(labels, hyp, distractors)
        dropped += len(hyp) - len(kept)
        ours.append(score_sequence(TrackingSequence.from_rows(gt, kept)))
        assert_equal(ours[-1], theirs[name])
        assert ours[-1].clear.fragments > 0
    assert_equal(combine_scores(ours), theirs["combined"])
    assert (dropped > 0) == (style in ("MOT16", "MOT17", "MOT20"))


def test_boxes_exactly_on_a_threshold_score_as_in_trackeval(tmp_path: Path) -> None:
    """Shifted by a third of their width, boxes overlap by 0.5; float32 would miss some."""
    lefts = [100.1 + 7.77 * frame for frame in range(40)]
    (tmp_path / "gt/MOT15-01/gt").mkdir(parents=True)
    gt = tmp_path / "gt/MOT15-01/gt/gt.txt"
    gt.write_text(
        "".join(f"{k},1,{left:.2f},50.3,30,80,1,-1,-1,-1\n" for k, left in enumerate(lefts, 1))
    )
    results = tmp_path / "results/ours/data/MOT15-01.txt"
    results.parent.mkdir(parents=True)
    results.write_text(
        "".join(f"{k},1,{left + 10:.2f},50.3,30,80,1,-1,-1,-1\n" for k, left in enumerate(lefts, 1))
    )
    theirs = trackeval_of_files(tmp_path / "gt", tmp_path / "results", "MOT15", {"MOT15-01": 40})
    sequence = TrackingSequence.from_rows(read_mot(gt), read_mot(results))
    assert_equal(score_sequence(sequence), theirs["MOT15-01"])
