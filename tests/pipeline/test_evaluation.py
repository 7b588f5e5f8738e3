"""Scores against a labelled folder: cameras, frames and boxes that count, and across cameras."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import EvaluationError, Report, evaluate, read_ground_truth
from trackers.motfile import MotRows, read_mot, write_mot

OFFICE = Path(__file__).parents[2] / "../shared/data/office3/gt"
LAST = 10


def walk(identity: int, first: int = 1, last: int = LAST, left: float = 0.0) -> MotRows:
    """A person of 10 x 20 pixels who stands at `left` from one frame to another."""
    frames = np.arange(first, last + 1)
    boxes = np.tile(np.array([left, 0, left + 10, 20], np.float32), (len(frames), 1))
    return MotRows(frames, np.full(len(frames), identity), boxes, np.ones(len(frames)))


def scene(*people: MotRows) -> MotRows:
    return MotRows.concatenate(list(people))


def renamed(rows: MotRows, names: dict[int, int]) -> MotRows:
    ids = np.array([names.get(i, i) for i in rows.ids.tolist()], np.int64)
    return MotRows(rows.frames, ids, rows.boxes_xyxy, rows.scores)


@pytest.fixture
def gt_dir(tmp_path: Path) -> Path:
    """Two cameras: persons 1 and 2 in Cam1, persons 1 and 3 in Cam2."""
    folder = tmp_path / "gt"
    folder.mkdir()
    (folder / "README.md").write_text("not a camera")
    write_mot(folder / "Cam1.txt", scene(walk(1), walk(2, left=100)))
    write_mot(folder / "Cam2.txt", scene(walk(1), walk(3, left=100)))
    return folder


def perfect(gt_dir: Path) -> dict[str, MotRows]:
    return {path.stem: read_mot(path) for path in gt_dir.glob("Cam*.txt")}


def test_perfect_identities_score_one(gt_dir: Path) -> None:
    report = evaluate(perfect(gt_dir), gt_dir)
    assert list(report.cameras) == ["Cam1", "Cam2"]
    for scores in report.cameras.values():
        assert scores.idf1 == scores.idp == scores.idr == scores.mota == 1.0
        assert scores.hota == pytest.approx(1.0)
        assert (scores.idsw, scores.gt_ids, scores.hyp_ids) == (0, 2, 2)
    assert report.cross_camera.idf1 == 1.0
    assert (report.cross_camera.gt_ids, report.cross_camera.hyp_ids) == (3, 3)
    assert (report.max_frame, report.unscored_cameras) == (LAST, ())


def test_names_of_identities_do_not_matter(gt_dir: Path) -> None:
    hypotheses = {
        camera: renamed(rows, {1: 70, 2: 1, 3: 10**9}) for camera, rows in perfect(gt_dir).items()
    }
    assert evaluate(hypotheses, gt_dir).cross_camera.idf1 == 1.0


def test_a_second_identity_in_the_other_camera_costs_only_across_cameras(gt_dir: Path) -> None:
    hypotheses = perfect(gt_dir)
    hypotheses["Cam2"] = renamed(hypotheses["Cam2"], {1: 99})
    report = evaluate(hypotheses, gt_dir)
    assert [s.idf1 for s in report.cameras.values()] == [1.0, 1.0]
    assert report.cross_camera.idf1 == pytest.approx(30 / 40)
    assert report.cross_camera.hota < 1.0
    assert report.cross_camera.hyp_ids == 4


def test_two_people_under_one_identity_cost_across_cameras(gt_dir: Path) -> None:
    hypotheses = perfect(gt_dir)
    hypotheses["Cam2"] = renamed(hypotheses["Cam2"], {3: 2})
    report = evaluate(hypotheses, gt_dir)
    assert report.cross_camera.idf1 == pytest.approx(30 / 40)
    assert report.cross_camera.hyp_ids == 2


def test_a_switch_inside_a_camera_is_counted(gt_dir: Path) -> None:
    hypotheses = perfect(gt_dir)
    hypotheses["Cam1"] = scene(walk(1, last=5), walk(8, first=6), walk(2, left=100))
    scores = evaluate(hypotheses, gt_dir).cameras["Cam1"]
    assert scores.idsw == 1
    assert scores.mota == pytest.approx(0.95)
    assert scores.idf1 == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("max_frame", "late", "gt_boxes", "idp"),
    [(None, 20, 20, 1.0), (30, 0, 20, 0.5), (4, 32, 8, 1.0)],
)
def test_frames_after_the_last_labelled_one_do_not_count(
    gt_dir: Path, max_frame: int | None, late: int, gt_boxes: int, idp: float
) -> None:
    hypotheses = perfect(gt_dir)
    hypotheses["Cam1"] = scene(hypotheses["Cam1"], walk(1, LAST + 1, LAST + 20))
    report = evaluate(hypotheses, gt_dir, max_frame=max_frame)
    scores = report.cameras["Cam1"]
    assert (scores.late_boxes, scores.gt_boxes) == (late, gt_boxes)
    assert scores.idp == pytest.approx(idp)
    assert report.max_frame == (LAST if max_frame is None else max_frame)


def test_the_last_frame_is_that_of_the_whole_folder(gt_dir: Path) -> None:
    write_mot(gt_dir / "Cam1.txt", walk(1, last=3), overwrite=True)
    report = evaluate({"Cam1": walk(1), "Cam2": MotRows.empty()}, gt_dir)
    assert report.max_frame == LAST
    assert report.cameras["Cam1"].idp == pytest.approx(0.3)
    assert report.cameras["Cam2"].idf1 == 0.0


def test_frames_of_different_cameras_do_not_collide(gt_dir: Path) -> None:
    """One identity at one time in two cameras is no contradiction for the metric."""
    report = evaluate(perfect(gt_dir), gt_dir)
    assert report.cross_camera.gt_boxes == report.cross_camera.hyp_boxes == 40


def test_boxes_in_ignore_regions_are_dropped(gt_dir: Path) -> None:
    write_mot(gt_dir / "ignore_Cam1.txt", walk(-1, left=300))
    hypotheses = perfect(gt_dir)
    hypotheses["Cam1"] = scene(hypotheses["Cam1"], walk(50, left=302), walk(51, left=500))
    scores = evaluate(hypotheses, gt_dir).cameras["Cam1"]
    assert (scores.ignored_boxes, scores.hyp_boxes, scores.hyp_ids) == (LAST, 30, 3)
    assert scores.idp == pytest.approx(2 / 3)


def test_a_labelled_person_in_an_ignore_region_is_still_scored(gt_dir: Path) -> None:
    write_mot(gt_dir / "ignore_Cam1.txt", walk(-1))
    scores = evaluate(perfect(gt_dir), gt_dir).cameras["Cam1"]
    assert (scores.ignored_boxes, scores.idf1) == (0, 1.0)


def test_labelled_rows_with_score_zero_are_not_considered(gt_dir: Path) -> None:
    person = walk(4, left=300)
    marked = MotRows(person.frames, person.ids, person.boxes_xyxy, np.zeros(LAST))
    labelled = read_mot(gt_dir / "Cam1.txt")
    write_mot(gt_dir / "Cam1.txt", scene(labelled, marked), overwrite=True)
    assert evaluate({"Cam1": labelled, "Cam2": walk(1)}, gt_dir).cameras["Cam1"].idf1 == 1.0


def test_cameras_match_whatever_the_case(gt_dir: Path) -> None:
    write_mot(gt_dir / "IGNORE_cam2.txt", walk(-1, left=300))
    hypotheses = {camera.upper(): rows for camera, rows in perfect(gt_dir).items()}
    report = evaluate(hypotheses | {"CAM9": walk(1)}, gt_dir)
    assert list(report.cameras) == ["Cam1", "Cam2"]
    assert report.cross_camera.idf1 == 1.0
    assert report.unscored_cameras == ("CAM9",)


def assert_refused(hypotheses: dict[str, MotRows], folder: Path, *parts: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(hypotheses, folder)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_camera_without_results_is_an_error_with_both_lists(gt_dir: Path) -> None:
    hypotheses = {"Cam1": walk(1), "Door": walk(2)}
    assert_refused(
        hypotheses,
        gt_dir,
        "no results for camera Cam2",
        "labelled are Cam1, Cam2",
        "results are there for Cam1, Door",
    )
    assert_refused({}, gt_dir, "Cam1, Cam2", "no camera")


def test_two_results_for_one_camera_are_refused(gt_dir: Path) -> None:
    assert_refused(perfect(gt_dir) | {"cam1": walk(1)}, gt_dir, "Cam1 and cam1 differ only")


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    assert_refused({}, tmp_path / "nowhere", "nowhere: no such folder")
    assert_refused({}, tmp_path, "no <camera>.txt")
    (tmp_path / "Cam1.txt").touch()
    assert_refused({"Cam1": walk(1)}, tmp_path, "no labelled box")
    (tmp_path / "cam1.txt").touch()
    assert_refused({"Cam1": walk(1)}, tmp_path, "Cam1.txt and cam1.txt are one camera")


def test_bad_lines_and_stray_ignore_files_are_named(gt_dir: Path) -> None:
    (gt_dir / "ignore_Cam7.txt").write_text("1,-1,0,0,5,5\n")
    assert_refused(perfect(gt_dir), gt_dir, "ignore_Cam7.txt: there is no cam7.txt")
    (gt_dir / "ignore_Cam7.txt").unlink()
    (gt_dir / "Cam1.txt").write_text("1,1,0,0,5,5\n1,2,0,0,5\n")
    assert_refused({}, gt_dir, "Cam1.txt:2: 5 fields")
    (gt_dir / "Cam1.txt").write_text("1,1,0,0,5,5\n1,1,3,3,5,5\n")
    assert_refused({}, gt_dir, "Cam1.txt:2: id 1 is in frame 1 already")


def test_hypotheses_that_contradict_themselves_are_refused(gt_dir: Path) -> None:
    twice = scene(walk(5), walk(5, first=4, last=4, left=50))
    assert_refused(perfect(gt_dir) | {"Cam2": twice}, gt_dir, "Cam2: id 5 is twice in frame 4")
    early = perfect(gt_dir) | {"Cam2": walk(1).shifted(-1)}
    assert_refused(early, gt_dir, "camera Cam2: frame 0")


def test_the_last_frame_must_be_a_frame(gt_dir: Path) -> None:
    with pytest.raises(EvaluationError, match="frames count from 1"):
        evaluate(perfect(gt_dir), gt_dir, max_frame=0)


def test_the_report_is_json_and_a_table(gt_dir: Path) -> None:
    hypotheses = perfect(gt_dir)
    hypotheses["Cam2"] = renamed(hypotheses["Cam2"], {1: 99})
    report = evaluate(hypotheses, gt_dir)
    parsed = json.loads(json.dumps(report.as_dict()))
    assert parsed["cross_camera"]["idf1"] == pytest.approx(0.75)
    assert parsed["cameras"]["Cam1"]["gt_ids"] == 2
    assert (parsed["max_frame"], parsed["unscored_cameras"]) == (LAST, [])
    rows = report.rows()
    assert rows[0] == ("Cam1", "100.0", "100.0", "100.0", "0", "100.0", "100.0", "2", "2")
    assert rows[-1][:4] == ("across cameras", "75.0", "75.0", "75.0")
    assert {len(row) for row in rows} == {len(Report.COLUMNS)}


def each_its_own(rows: MotRows) -> MotRows:
    return MotRows(rows.frames, 10_000 + np.arange(len(rows)), rows.boxes_xyxy, rows.scores)


def test_the_labelled_office() -> None:
    if not OFFICE.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the labelled office is not at {OFFICE}")
        pytest.skip(f"the labelled office is not at {OFFICE}")
    labelled = read_ground_truth(OFFICE)
    # The labels themselves, and boxes in every ignore region as identities of their own.
    hypotheses = {c.camera: scene(c.gt, each_its_own(c.ignore)) for c in labelled}
    report = evaluate(hypotheses, OFFICE)
    assert report.max_frame == 3150
    assert report.cross_camera.gt_ids == 14
    assert report.cross_camera.idr > 0.99
    assert report.cross_camera.idf1 > 0.99
    assert all(scores.ignored_boxes > 0 for scores in report.cameras.values())
    split = {
        camera: MotRows(rows.frames, rows.ids + 1000 * number, rows.boxes_xyxy, rows.scores)
        for number, (camera, rows) in enumerate(hypotheses.items())
    }
    apart = evaluate(split, OFFICE)
    assert apart.cross_camera.idf1 < report.cross_camera.idf1 - 0.2
    assert apart.cameras["Cam1"].idf1 == report.cameras["Cam1"].idf1


@pytest.mark.parametrize("seed", range(5))
def test_across_cameras_equals_trackeval_on_the_joined_frames(gt_dir: Path, seed: int) -> None:
    """Joined without our own code: a frame of the joined sequence is one (camera, frame)."""
    metrics = pytest.importorskip("trackeval.metrics")
    rng = np.random.default_rng(seed)
    labelled = perfect(gt_dir)
    hypotheses = {}
    for camera, rows in labelled.items():
        ids = np.where(rng.random(len(rows)) < 0.3, rows.ids + 10, rows.ids)
        changed = MotRows(rows.frames, ids, rows.boxes_xyxy, rows.scores)
        hypotheses[camera] = changed.select(rng.random(len(rows)) < 0.9)
    gt_names = sorted({int(i) for rows in labelled.values() for i in rows.ids})
    hyp_names = sorted({int(i) for rows in hypotheses.values() for i in rows.ids})
    gt_ids, hyp_ids, similarities = [], [], []
    for camera in labelled:
        for frame in range(1, LAST + 1):
            gt = labelled[camera].select(labelled[camera].frames == frame)
            hyp = hypotheses[camera].select(hypotheses[camera].frames == frame)
            gt_ids.append(np.array([gt_names.index(i) for i in gt.ids], int))
            hyp_ids.append(np.array([hyp_names.index(i) for i in hyp.ids], int))
            same = gt.boxes_xyxy[:, None, 0] == hyp.boxes_xyxy[None, :, 0]
            similarities.append(same.astype(float))
    theirs = metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(
        {
            "num_gt_ids": len(gt_names),
            "num_tracker_ids": len(hyp_names),
            "num_gt_dets": sum(map(len, gt_ids)),
            "num_tracker_dets": sum(map(len, hyp_ids)),
            "gt_ids": gt_ids,
            "tracker_ids": hyp_ids,
            "similarity_scores": similarities,
        }
    )
    ours = evaluate(hypotheses, gt_dir).cross_camera
    assert 0.4 < ours.idf1 < 1.0
    assert (ours.idf1, ours.idp, ours.idr) == pytest.approx(
        (theirs["IDF1"], theirs["IDP"], theirs["IDR"]), abs=1e-6
    )
