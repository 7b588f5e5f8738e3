"""From tracklets and links to MOTChallenge files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import evaluate
from pipeline.export import ExportError, export_mot, hypotheses_from_store
from storage.tracklets import Tracklet
from trackers.motfile import MotFileExistsError, read_mot


@dataclass(frozen=True)
class Link:
    identity_id: int | None


@dataclass
class FakeStore:
    """Tracklets by run, and their identities."""

    runs: dict[str, list[Tracklet]] = field(default_factory=dict)
    identities: dict[str, int | None] = field(default_factory=dict)

    def add(self, tracklet: Tracklet, identity: int | None = None, run: str = "run") -> None:
        self.runs.setdefault(run, []).append(tracklet)
        if identity is not None:
            self.identities[tracklet.uuid] = identity

    def tracklets(self, *, run_uuid: str | None = None) -> list[Tracklet]:
        return [t for run, own in self.runs.items() if run_uuid in (None, run) for t in own]

    def links(self, uuids: list[str]) -> Mapping[str, Link]:
        return {u: Link(self.identities[u]) for u in uuids if u in self.identities}


def tracklet(
    uuid: str,
    camera: str = "Cam1",
    frames: range = range(0, 3),
    *,
    track: str | None = None,
    left: float = 0.0,
    score: float = 0.5,
    source: str | None = None,
    later_s: float = 0.0,
) -> Tracklet:
    n = len(frames)
    boxes = np.tile(np.array([left, 0, left + 10, 20], np.float32), (n, 1))
    return Tracklet(
        uuid=uuid,
        track_uuid=track or f"track of {uuid}",
        camera=camera,
        frame_indices=np.array(frames, np.int64),
        times_s=1e9 + later_s + np.array(frames) / 25.0,
        boxes_xyxy=boxes,
        scores=np.full(n, score, np.float32),
        exemplars=(),
        fingerprint="f",
        source=source or f"{camera}.mp4",
        source_offset_s=0.0,
        frame_size_wh=(640, 480),
        source_fps=25.0,
    )


def test_files_are_per_camera_with_frames_from_one(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("b", "Cam2", range(10, 12), left=5), 7)
    store.add(tracklet("a", "Cam1", range(0, 2)), 7)
    files = export_mot(store, tmp_path / "new/folder")
    assert [file.name for file in files] == ["Cam1.txt", "Cam2.txt"]
    assert files[0].read_text().splitlines() == [
        "1,7,0.000,0.000,10.000,20.000,0.5000,-1,-1",
        "2,7,0.000,0.000,10.000,20.000,0.5000,-1,-1",
    ]
    assert read_mot(files[1]).frames.tolist() == [11, 12]


def test_an_export_with_interpolated_boxes_scores_perfectly_against_itself(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("seen", frames=range(0, 3), track="a", score=0.5), 1)
    store.add(tracklet("interpolated", frames=range(3, 5), track="a", score=0.0), 1)
    store.add(tracklet("faint", frames=range(0, 5), left=90, score=0.00004), 2)
    [file] = export_mot(store, tmp_path)
    assert read_mot(file).scores.tolist() == pytest.approx([0.5, 0.001] * 3 + [0.001] * 4)
    camera = evaluate({"Cam1": read_mot(file)}, tmp_path).cameras["Cam1"]
    assert camera.gt_boxes == camera.hyp_boxes == 10
    assert (camera.idf1, camera.mota, camera.hota) == (1.0, 1.0, 1.0)
    assert hypotheses_from_store(store)["Cam1"].scores.min() == 0


@pytest.mark.parametrize("explicit_link", [False, True])
def test_tracks_without_identity_get_ids_above_the_largest(explicit_link: bool) -> None:
    store = FakeStore()
    store.add(tracklet("a", "Cam1"), 41)
    store.add(tracklet("b", "Cam1", left=50))
    store.add(tracklet("c", "Cam2", left=50))
    if explicit_link:  # the associator abstained and said so
        store.identities |= {"b": None, "c": None}
    rows = hypotheses_from_store(store)
    assert set(rows["Cam1"].ids.tolist()) == {41, 42}
    assert set(rows["Cam2"].ids.tolist()) == {43}


def test_pieces_of_one_track_without_identity_share_an_id() -> None:
    store = FakeStore()
    store.add(tracklet("a0", frames=range(0, 3), track="a"))
    store.add(tracklet("a1", frames=range(3, 6), track="a"))
    store.add(tracklet("z", "Cam2", track="a"))
    rows = hypotheses_from_store(store)
    assert rows["Cam1"].ids.tolist() == [1] * 6
    assert rows["Cam2"].ids.tolist() == [2] * 3


def test_an_abstained_piece_does_not_take_the_identity_of_its_neighbour() -> None:
    store = FakeStore()
    store.add(tracklet("a0", frames=range(0, 3), track="a"), 5)
    store.add(tracklet("a1", frames=range(3, 6), track="a"))
    assert hypotheses_from_store(store)["Cam1"].ids.tolist() == [5] * 3 + [6] * 3


def test_of_overlapping_pieces_the_better_box_stays() -> None:
    store = FakeStore()
    store.add(tracklet("weak", frames=range(0, 4), left=0, score=0.3), 1)
    store.add(tracklet("strong", frames=range(2, 6), left=90, score=0.8), 1)
    store.add(tracklet("other", frames=range(2, 4), left=200, score=0.1), 2)
    rows = hypotheses_from_store(store)["Cam1"]
    assert rows.first_duplicate() is None
    mine = rows.select(rows.ids == 1)
    assert mine.frames.tolist() == [1, 2, 3, 4, 5, 6]
    assert mine.boxes_xyxy[:, 0].tolist() == [0, 0, 90, 90, 90, 90]
    assert (rows.ids == 2).sum() == 2


def test_equal_boxes_are_resolved_the_same_way_whatever_the_order() -> None:
    pieces = [tracklet("p", left=1), tracklet("q", left=2)]
    results = []
    for order in (pieces, pieces[::-1]):
        store = FakeStore()
        for piece in order:
            store.add(piece, 1)
        results.append(hypotheses_from_store(store)["Cam1"].boxes_xyxy.tolist())
    assert results[0] == results[1]


def test_one_run_can_be_chosen(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("old", "Cam1"), 1, run="monday")
    store.add(tracklet("new", "Cam2"), 2, run="tuesday")
    assert [f.name for f in export_mot(store, tmp_path, run_uuid="tuesday")] == ["Cam2.txt"]
    assert set(hypotheses_from_store(store, "monday")) == {"Cam1"}
    assert set(hypotheses_from_store(store)) == {"Cam1", "Cam2"}


def test_named_cameras_are_there_even_if_nobody_was_seen(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("a", "Cam1"), 1)
    assert len(hypotheses_from_store(store, cameras=["Cam1", "Cam3"])["Cam3"]) == 0
    files = export_mot(store, tmp_path, cameras=["Cam3"])
    assert [file.name for file in files] == ["Cam1.txt", "Cam3.txt"]
    assert files[1].read_text() == ""


def test_an_empty_store_writes_nothing(tmp_path: Path) -> None:
    assert export_mot(FakeStore(), tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


def test_existing_files_are_kept_unless_asked(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("a", "Cam1"), 1)
    store.add(tracklet("b", "Cam2"), 1)
    (tmp_path / "Cam2.txt").write_text("mine")
    with pytest.raises(MotFileExistsError, match=r"Cam2\.txt"):
        export_mot(store, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Cam2.txt"]
    assert (tmp_path / "Cam2.txt").read_text() == "mine"
    assert len(export_mot(store, tmp_path, overwrite=True)) == 2
    assert len(read_mot(tmp_path / "Cam2.txt")) == 3


def test_the_folder_cannot_be_a_file(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("a"), 1)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot make this folder"):
        export_mot(store, tmp_path / "file")


@pytest.mark.parametrize("camera", ["../up", "a/b", "a\\b", "", ".", ".hidden", "C:"])
def test_camera_names_cannot_leave_the_folder(tmp_path: Path, camera: str) -> None:
    store = FakeStore()
    store.add(tracklet("a", camera), 1)
    with pytest.raises(ExportError, match="cannot be the name of a file"):
        export_mot(store, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_recordings_with_the_same_frame_numbers_are_not_mixed() -> None:
    store = FakeStore()
    store.add(tracklet("a", source="monday.mp4"), 1)
    store.add(tracklet("b", source="tuesday.mp4", frames=range(2, 5)), 1, run="second")
    with pytest.raises(ExportError, match=r"Cam1: monday\.mp4 and tuesday\.mp4 .* choose one run"):
        hypotheses_from_store(store)
    assert len(hypotheses_from_store(store, "second")["Cam1"]) == 3


@pytest.mark.parametrize(
    ("later_s", "first", "refused"), [(60, 2, True), (0.5, 2, False), (60, 3, False)]
)
def test_a_stream_that_was_opened_twice_is_not_mixed(
    later_s: float, first: int, refused: bool
) -> None:
    store = FakeStore()
    store.add(tracklet("a", frames=range(0, 3)), 1)
    store.add(tracklet("b", frames=range(first, 9), later_s=later_s), 2)
    if refused:
        with pytest.raises(ExportError, match="Cam1: frame 3 was seen at two times"):
            hypotheses_from_store(store)
    else:
        assert set(hypotheses_from_store(store)["Cam1"].ids.tolist()) == {1, 2}


def test_recordings_that_continue_each_other_are_joined() -> None:
    store = FakeStore()
    store.add(tracklet("a", source="part1.mp4", frames=range(0, 3)), 1)
    store.add(tracklet("b", source="part2.mp4", frames=range(3, 6)), 1)
    assert hypotheses_from_store(store)["Cam1"].frames.tolist() == [1, 2, 3, 4, 5, 6]


def test_what_was_exported_scores_perfectly_against_itself(tmp_path: Path) -> None:
    store = FakeStore()
    store.add(tracklet("a", "Cam1", range(0, 20)), 3)
    store.add(tracklet("b", "Cam2", range(5, 25), left=40), 3)
    store.add(tracklet("c", "Cam2", range(0, 9), left=400), None)
    export_mot(store, tmp_path)
    report = evaluate(hypotheses_from_store(store), tmp_path)
    assert report.cross_camera.idf1 == 1.0
    assert report.cross_camera.gt_ids == 2
