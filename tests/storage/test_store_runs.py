"""Runs, cameras and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from store_builders import RUN, T0, tracklet

from storage.errors import StoreError
from storage.records import CameraInfo, LinkRecord
from storage.store import Store


def test_a_run_begins_once_and_can_be_resumed(store: Store) -> None:
    (first,) = store.runs()
    assert (first.uuid, first.state, first.finished_at) == (RUN, "running", None)
    assert first.config == {"detector": "n"}
    store.finish_run(RUN, "stopped")
    (stopped,) = store.runs()
    assert stopped.state == "stopped"
    assert stopped.finished_at is not None
    assert first.started_at <= stopped.finished_at <= datetime.now(UTC)
    store.begin_run(RUN, {"detector": "s"}, [])
    (resumed,) = store.runs()
    assert (resumed.started_at, resumed.finished_at) == (first.started_at, None)
    assert resumed.config == {"detector": "s"}


def test_runs_come_newest_first_with_counts(store: Store) -> None:
    store.begin_run("run-2", {}, [])
    store.add_tracklets([tracklet(1), tracklet(2)], "run-2")
    assert [(run.uuid, run.tracklet_count) for run in store.runs()] == [("run-2", 2), (RUN, 0)]


def test_unknown_and_malformed_runs(store: Store) -> None:
    with pytest.raises(StoreError, match="no run nobody"):
        store.finish_run("nobody", "finished")
    with pytest.raises(StoreError, match="not a valid uuid"):
        store.begin_run("a b", {}, [])


def test_credentials_of_a_run_are_not_stored(store: Store) -> None:
    camera = CameraInfo("gate", source="rtsp://root:hunter2@10.0.0.1/live")
    store.begin_run("run-2", {"cameras": [{"source": camera.source}]}, [camera])
    assert "hunter2" not in repr(store.runs())
    assert "hunter2" not in repr(store.cameras())
    assert store.cameras()[-1].source == "rtsp://10.0.0.1/live"


def test_cameras_report_what_they_saw(store: Store) -> None:
    store.add_tracklets([tracklet(n, uuid=f"t{n}", start_s=T0 + n) for n in range(3)], RUN)
    store.apply_links(
        [
            LinkRecord("t0", "new", identity_key="a"),
            LinkRecord("t1", "linked", identity_key="a"),
            LinkRecord("t2", "new", identity_key="b"),
        ]
    )
    one, two = store.cameras()
    assert (one.id, one.name, one.timezone) == ("cam-1", "Camera 1", "UTC")
    assert (one.first_s, one.last_s) == (T0, store.tracklet("t2").end_s)
    assert (one.tracklet_count, one.identity_count) == (3, 2)
    assert (two.first_s, two.last_s, two.tracklet_count, two.identity_count) == (None, None, 0, 0)


def test_links_that_were_revised_do_not_count_twice(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="t")], RUN)
    for key in ("a", "b"):
        store.apply_links([LinkRecord("t", "new", identity_key=key)])
    assert store.cameras()[0].tracklet_count == 1


def test_a_camera_can_be_renamed(store: Store) -> None:
    store.begin_run(RUN, {}, [CameraInfo("cam-1", "Door", "x.mp4", "Europe/Berlin")])
    row = store.cameras()[0]
    assert (row.name, row.source, row.timezone) == ("Door", "x.mp4", "Europe/Berlin")
    assert len(store.cameras()) == 2


def test_audit_log(store: Store) -> None:
    before = datetime.now(UTC)
    store.audit("anna", "search", {"cameras": ["cam-1"], "k": 5})
    store.audit("ben", "export", {})
    assert [row.actor for row in store.audit_log()] == ["ben", "anna"]
    (latest,) = store.audit_log(1)
    assert (latest.actor, latest.action, latest.details) == ("ben", "export", {})
    assert before <= latest.at <= datetime.now(UTC)


@pytest.mark.parametrize(("actor", "action"), [("", "search"), ("anna", "")])
def test_an_audit_entry_needs_a_name(store: Store, actor: str, action: str) -> None:
    with pytest.raises(StoreError, match="actor"):
        store.audit(actor, action, {})


def test_details_that_are_not_json_are_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        store.audit("anna", "search", {"x": object()})
    assert store.audit_log() == []
