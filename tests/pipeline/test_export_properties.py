"""Any archive of identities: what is exported is read back, and scores perfectly against itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import evaluate
from pipeline.export import export_mot, hypotheses_from_store
from storage.records import LinkRecord
from storage.tracklets import Tracklet
from trackers.motfile import read_mot

some = settings(max_examples=25, deadline=None)


@dataclass
class Archive:
    """Tracklets and their identities, as an export reads them."""

    made: list[Tracklet] = field(default_factory=list)
    who: dict[str, int | None] = field(default_factory=dict)

    def tracklets(self, *, run_uuid: str | None = None) -> list[Tracklet]:
        return self.made

    def links(self, uuids: list[str], /) -> Mapping[str, LinkRecord]:
        return {u: LinkRecord(u, "linked", who) for u, who in self.who.items() if u in uuids}


@st.composite
def archives(draw: st.DrawFn) -> Archive:
    """Up to eight tracklets in two cameras; some have no link, some a link to nobody."""
    archive = Archive()
    for number in range(draw(st.integers(1, 8))):
        first, count = draw(st.integers(0, 12)), draw(st.integers(1, 5))
        frames = np.arange(first, first + count, dtype=np.int64)
        corner = np.array([50.0 * number, 10.0], np.float32)
        made = Tracklet(
            uuid=f"t{number}",
            track_uuid=f"track-{draw(st.integers(0, 4))}",
            camera=draw(st.sampled_from(["door", "yard"])),
            frame_indices=frames,
            times_s=1e9 + frames / 25,
            boxes_xyxy=np.tile(np.r_[corner, corner + 40].astype(np.float32), (count, 1)),
            scores=np.full(count, draw(st.sampled_from([0.0, 0.25, 1.0])), np.float32),
            exemplars=(),
            fingerprint="f",
            source="a.mp4",
            source_offset_s=0.0,
            frame_size_wh=(640, 480),
            source_fps=25.0,
        )
        archive.made.append(made)
        link = draw(st.sampled_from(["none", "abstained", 1, 2, 7]))
        if link != "none":
            archive.who[made.uuid] = None if link == "abstained" else int(link)
    return archive


@some
@given(archives())
def test_an_identity_has_one_box_in_a_frame_and_its_own_number(archive: Archive) -> None:
    given_ids = {who for who in archive.who.values() if who is not None}
    for camera, rows in hypotheses_from_store(archive).items():
        assert rows.first_duplicate() is None
        assert (np.diff(rows.frames) >= 0).all()
        named = {
            archive.who[t.uuid]
            for t in archive.made
            if t.camera == camera and archive.who.get(t.uuid) is not None
        }
        found = set(rows.ids.tolist())
        assert named <= found
        assert not (found - named) & given_ids, "a fresh number belongs to nobody else"


@some
@given(archives())
def test_every_frame_with_somebody_is_there(archive: Archive) -> None:
    rows = hypotheses_from_store(archive)
    for camera in rows:
        seen = {int(f) + 1 for t in archive.made if t.camera == camera for f in t.frame_indices}
        assert set(rows[camera].frames.tolist()) == seen


@some
@given(archives())
def test_the_order_of_tracklets_does_not_matter(archive: Archive) -> None:
    backwards = Archive(archive.made[::-1], archive.who)
    one, other = hypotheses_from_store(archive), hypotheses_from_store(backwards)
    assert one.keys() == other.keys()
    for camera in one:
        np.testing.assert_array_equal(one[camera].frames, other[camera].frames)
        np.testing.assert_array_equal(one[camera].ids, other[camera].ids)
        np.testing.assert_array_equal(one[camera].boxes_xyxy, other[camera].boxes_xyxy)


@settings(max_examples=10, deadline=None)
@given(archives())
def test_files_are_read_back_and_score_perfectly(archive: Archive) -> None:
    rows = hypotheses_from_store(archive, cameras=["door"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = export_mot(archive, folder, cameras=["door"])
        assert {file.stem for file in files} == rows.keys()
        for file in files:
            found, expected = read_mot(file, unique_ids=True), rows[file.stem]
            np.testing.assert_array_equal(found.frames, expected.frames)
            np.testing.assert_array_equal(found.ids, expected.ids)
            np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
        report = evaluate(rows, folder)
    assert report.cross_camera.idf1 == 1
    assert report.unscored_cameras == ()
    for camera, scores in report.cameras.items():
        assert scores.gt_boxes == scores.hyp_boxes == len(rows[camera])
        assert scores.idsw == 0
