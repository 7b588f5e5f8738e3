from __future__ import annotations

import logging
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.spool import Spool
from pipeline.wire import encode_tracklet
from tests.pipeline import fabricate

PAYLOAD = encode_tracklet(fabricate.tracklet())


def test_what_was_put_is_there_after_a_restart_in_the_same_order(tmp_path: Path) -> None:
    names = [str(uuid4()) for _ in range(5)]
    spool = Spool(tmp_path / "spool")
    for name in names:
        spool.put(name, PAYLOAD)
    again = Spool(tmp_path / "spool")
    assert again.pending() == spool.pending() == names
    assert again.get(names[0]) == PAYLOAD
    assert len(again) == 5


def test_an_acknowledged_tracklet_is_gone_and_acknowledging_twice_is_harmless(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    name = str(uuid4())
    spool.put(name, PAYLOAD)
    spool.ack(name)
    spool.ack(name)
    assert spool.pending() == []
    assert spool.get(name) is None
    assert Spool(tmp_path).pending() == []


def test_putting_a_tracklet_twice_keeps_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    name = str(uuid4())
    spool.put(name, PAYLOAD)
    spool.put(name, PAYLOAD)
    assert spool.pending() == [name]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{uuid4()}.tmp").write_bytes(PAYLOAD[:10])
    assert Spool(tmp_path).pending() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [b"", PAYLOAD[:30], PAYLOAD[:-1] + b"?"],
    ids=["empty", "cut short", "another checksum"],
)
def test_a_torn_file_is_moved_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    good, torn = str(uuid4()), str(uuid4())
    Spool(tmp_path).put(good, PAYLOAD)
    (tmp_path / f"{torn}.xw").write_bytes(damage)
    spool = Spool(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert spool.get(torn) is None
    assert torn in caplog.text
    assert "damaged" in caplog.text
    assert spool.pending() == [good]
    assert (tmp_path / "bad" / f"{torn}.xw").read_bytes() == damage
    assert Spool(tmp_path).pending() == [good]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "readme.xw").write_text("not ours")
    assert Spool(tmp_path).pending() == []
    assert (tmp_path / "readme.xw").exists()


def test_a_name_that_is_no_uuid_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        Spool(tmp_path).put("../../etc/passwd", PAYLOAD)
