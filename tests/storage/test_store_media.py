"""Crops are written whole and stay in their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_builders import RUN, tracklet

from storage.errors import StoreError
from storage.media import MediaFolder, check_uuid, crop_path, folder_name
from storage.redact import redacted, without_credentials
from storage.store import Store


@pytest.fixture
def media(tmp_path: Path) -> MediaFolder:
    """An empty media folder."""
    return MediaFolder(tmp_path / "media")


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\\..\\x", "C:/x", "a\0b", "a/.."],
)
def test_paths_that_leave_are_refused(media: MediaFolder, path: str) -> None:
    for act in (media.locate, media.read, media.delete, lambda p: media.write(p, b"x")):
        with pytest.raises(StoreError, match="media folder"):
            act(path)


@pytest.mark.skipif(os.name == "nt", reason="links need privileges")
def test_links_that_lead_out_are_refused(media: MediaFolder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    media.root.mkdir()
    (media.root / "out").symlink_to(tmp_path)
    (media.root / "file").symlink_to(tmp_path / "secret")
    for path in ("out/secret", "file"):
        with pytest.raises(StoreError, match="leads out"):
            media.read(path)
    with pytest.raises(StoreError, match="leads out"):
        media.write("out/new", b"x")


@given(st.text(max_size=120), st.text(max_size=120))
def test_any_camera_id_gives_a_plain_folder(one: str, two: str) -> None:
    name = folder_name(one)
    assert name == os.path.basename(name)
    assert name not in ("", ".", "..")
    assert len(name) < 100
    assert (name == folder_name(two)) == (one == two)


def test_crop_path() -> None:
    assert crop_path("door", 0.0, "u-1", 2) == "crops/door/1970-01-01/u-1_2.jpg"
    assert crop_path("../../etc", 0.0, "u", 0).startswith("crops/_.._etc-")
    with pytest.raises(StoreError, match="not a valid uuid"):
        check_uuid("a/b")


def test_write_read_delete(media: MediaFolder) -> None:
    media.write("crops/a/b.jpg", b"one")
    media.write("crops/a/b.jpg", b"two")
    media.write("crops/c.jpg", b"three")
    assert media.read("crops/a/b.jpg") == b"two"
    assert list(media.files()) == ["crops/c.jpg", "crops/a/b.jpg"]
    assert media.delete("crops/a/b.jpg")
    assert not media.delete("crops/a/b.jpg")
    assert not (media.root / "crops/a").exists()
    assert media.read("crops/c.jpg") == b"three"
    media.delete("crops/c.jpg")
    assert media.root.is_dir()


def test_a_failed_write_leaves_the_old_file(
    media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.write("crops/a.jpg", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=r"a\.jpg: cannot write: No space left on device"):
        media.write("crops/a.jpg", b"new")
    assert media.read("crops/a.jpg") == b"old"
    assert list(media.files()) == ["crops/a.jpg"]


def test_missing_and_unremovable_files_are_named(media: MediaFolder) -> None:
    with pytest.raises(StoreError, match=r"x\.jpg: cannot read"):
        media.read("crops/x.jpg")
    media.write("crops/folder/x.jpg", b"x")
    with pytest.raises(StoreError, match="folder: cannot remove"):
        media.delete("crops/folder")


def test_only_old_crops_are_listed(media: MediaFolder) -> None:
    media.write("crops/old.jpg", b"x")
    os.utime(media.root / "crops/old.jpg", (0, 0))
    media.write("crops/new.jpg", b"x")
    media.write("holiday.jpg", b"not ours")
    assert list(media.files(60)) == ["crops/old.jpg"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtsp://user:p%40ss@10.0.0.1:554/live", "rtsp://10.0.0.1:554/live"),
        ("http://user@host", "http://host"),
        ("http://a:b@c@host/x", "http://host/x"),
        ("http://host/v?password=x&fps=5", "http://host/v?password=***&fps=5"),
        ("http://host/a@b", "http://host/a@b"),
        ("C:\\videos\\a@b.mp4", "C:\\videos\\a@b.mp4"),
        ("/videos/a:b@c.mp4", "/videos/a:b@c.mp4"),
        ("0", "0"),
    ],
)
def test_credentials_leave_addresses(address: str, expected: str) -> None:
    assert without_credentials(address) == expected


def test_credentials_leave_settings() -> None:
    config = {
        "cameras": [{"id": "a", "source": "rtsp://u:p@h/1", "fps": 5.0}],
        "ui": {"login_password": "hunter2", "port": 7860},
    }
    assert redacted(config) == {
        "cameras": [{"id": "a", "source": "rtsp://h/1", "fps": 5.0}],
        "ui": {"login_password": "***", "port": 7860},
    }


def test_crops_of_all_tracklets_by_rank(store: Store) -> None:
    several, none, one = (tracklet(n, exemplars=e) for n, e in ((1, 4), (2, 0), (3, 1)))
    store.add_tracklets([several, none, one], RUN)
    found = store.crop_paths()
    assert found.keys() == {several.uuid, one.uuid}
    for made in (several, one):
        read = [store.media.read(path) for path in found[made.uuid]]
        assert read == [exemplar.crop_jpeg for exemplar in made.exemplars]
