"""Export from the real archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import evaluate
from pipeline.export import IdentityStore, export_mot, hypotheses_from_store
from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from trackers.motfile import read_mot


def tracklet(uuid: str, camera: str, first: int, left: float) -> Tracklet:
    """Five boxes from 0-based frame `first` on."""
    frames = np.arange(first, first + 5)
    return Tracklet(
        uuid=uuid,
        track_uuid=f"track-{uuid}",
        camera=camera,
        frame_indices=frames,
        times_s=1e9 + frames / 25.0,
        boxes_xyxy=np.tile(np.array([left, 0, left + 10, 20], np.float32), (5, 1)),
        scores=np.full(5, 0.5, np.float32),
        exemplars=(),
        fingerprint="f",
        source=f"{camera}.mp4",
        source_offset_s=first / 25.0,
        frame_size_wh=(640, 480),
        source_fps=25.0,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Run `one`: a person in both cameras, one more, and a track the associator gave up on."""
    with Store.open(sqlite_url(tmp_path / "archive"), tmp_path / "media", fsync=False) as store:
        store.begin_run("one", {}, [CameraInfo("Cam1"), CameraInfo("Cam2")])
        store.add_tracklets(
            [
                tracklet("a", "Cam1", 0, 0.0),
                tracklet("b", "Cam2", 40, 0.0),
                tracklet("c", "Cam2", 40, 100.0),
                tracklet("d", "Cam2", 40, 200.0),
            ],
            "one",
        )
        store.apply_links(
            [
                LinkRecord("a", "new", identity_key="first"),
                LinkRecord("b", "linked", identity_key="first"),
                LinkRecord("c", "new", identity_key="second"),
                LinkRecord("d", "abstained"),
            ]
        )
        yield store


def test_the_store_fits_the_protocol(store: Store) -> None:
    readable: IdentityStore = store
    assert set(hypotheses_from_store(readable)) == {"Cam1", "Cam2"}


def test_one_identity_has_one_id_in_all_files(store: Store, tmp_path: Path) -> None:
    first_file, second_file = export_mot(store, tmp_path / "out", run_uuid="one")
    first, second = read_mot(first_file), read_mot(second_file, unique_ids=True)
    assert first.frames.tolist() == [1, 2, 3, 4, 5]
    assert sorted(set(second.frames.tolist())) == [41, 42, 43, 44, 45]
    person = set(first.ids.tolist())
    assert len(person) == 1
    assert person < set(second.ids.tolist())
    given_up = second.ids[second.boxes_xyxy[:, 0] == 200]
    assert set(given_up.tolist()) == {second.ids.max()}
    assert len(set(second.ids.tolist())) == 3


def test_what_the_store_says_scores_perfectly_against_its_export(
    store: Store, tmp_path: Path
) -> None:
    export_mot(store, tmp_path / "out")
    report = evaluate(hypotheses_from_store(store, "one"), tmp_path / "out")
    assert report.cross_camera.idf1 == 1.0
    assert report.cross_camera.gt_ids == 3


def test_merging_identities_changes_the_next_export(store: Store) -> None:
    records = store.links(["a", "c"])
    one, other = records["a"].identity_id, records["c"].identity_id
    store.apply_links([LinkRecord("c", "confirmed", identity_id=one)])
    ids = set(hypotheses_from_store(store)["Cam1"].ids.tolist())
    assert other not in ids
    assert ids == {one}
