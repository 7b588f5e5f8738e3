"""`associate` on an archive, and what is left on disk after `erase` and `retention`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from tests.pipeline.association.association_builders import T0, tracklet
from tests.test_main import Result, call

RUN = "run-1"
LATER_S = 43200.0


def found(done: Result) -> dict[str, Any]:
    """The JSON object of a command that went well."""
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def open_at(folder: Path) -> Store:
    return Store.open(sqlite_url(folder / "store"), folder / "media", fsync=False)


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """Three people in three cameras each, the third half a day later; nobody has an identity."""
    cameras = [{"id": name, "url": "demo:lobby"} for name in "abc"]
    config = {"cameras": cameras, "association": {"link_probability": 0.5}}
    with open_at(tmp_path) as store:
        store.begin_run(RUN, config, [CameraInfo(name) for name in "abc"])
        store.add_tracklets(
            [
                tracklet(
                    f"{person}{camera}",
                    person,
                    camera=camera,
                    start_s=100 * k + 20 * person + (LATER_S if person == 2 else 0),
                    noise=0.2,
                )
                for person in range(3)
                for k, camera in enumerate("abc")
            ],
            RUN,
        )
        store.finish_run(RUN, "finished")
    return ["--store", str(tmp_path / "store"), "--media", str(tmp_path / "media")]


def everything_below(folder: Path) -> bytes:
    """All bytes of all files, and their names."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"".join(str(path).encode() + path.read_bytes() for path in files)


def test_people_get_identities_and_keep_them(place: list[str]) -> None:
    first = found(call("associate", *place, "--json"))["association"]
    assert first["tracklets"] == 9
    assert first["changed"] == 9
    people = found(call("identities", *place, "--json"))["identities"]
    assert len(people) == first["identities"]
    again = found(call("associate", *place, "--json"))["association"]
    assert again["changed"] == 0
    assert found(call("identities", *place, "--json"))["identities"] == people


def test_the_table_has_the_same_numbers(place: list[str]) -> None:
    numbers = found(call("associate", *place, "--json"))["association"]
    table = call("associate", *place).stdout
    for key in ("tracklets", "identities", "linked", "abstained"):
        (line,) = [line for line in table.splitlines() if line.split()[:1] == [key]]
        assert line.split()[1] == str(numbers[key])


def test_other_settings_may_be_named(place: list[str], tmp_path: Path) -> None:
    cameras = "".join(f"  - {{id: {name}, url: 'demo:lobby'}}\n" for name in "abc")
    path = tmp_path / "strict.yaml"
    path.write_text(f"cameras:\n{cameras}association: {{link_probability: 1.0}}\n")
    strict = found(call("associate", "--sources", path, *place, "--json"))["association"]
    assert strict["linked"] == 0
    usual = found(call("associate", *place, "--json"))["association"]
    assert usual["linked"] > 0


def test_an_operators_decision_survives(place: list[str], tmp_path: Path) -> None:
    found(call("associate", *place, "--json"))
    with open_at(tmp_path) as store:
        store.decide("must_link", "0a", "1a", "op")
        store.decide("cannot_link", "0b", "1b", "op")
    found(call("associate", *place, "--json"))
    with open_at(tmp_path) as store:
        who = {uuid: link.identity_id for uuid, link in store.links().items()}
    assert who["0a"] == who["1a"]
    assert who["0b"] != who["1b"]


def test_an_archive_of_people_without_pictures(tmp_path: Path) -> None:
    with open_at(tmp_path) as store:
        store.begin_run(RUN, {"cameras": [{"id": "a"}]}, [CameraInfo("a")])
        store.add_tracklets([tracklet("t", exemplars=0)], RUN)
    store_options = ["--store", tmp_path / "store", "--media", tmp_path / "media"]
    numbers = found(call("associate", *store_options, "--json"))["association"]
    assert (numbers["tracklets"], numbers["identities"], numbers["abstained"]) == (1, 0, 1)


def test_nothing_of_an_erased_person_is_left_on_disk(place: list[str], tmp_path: Path) -> None:
    """Names, vectors, boxes, links and pictures; only the list of the erased knows the uuids."""
    with open_at(tmp_path) as store:
        records = [LinkRecord(f"0{camera}", "new", identity_key="x") for camera in "abc"]
        person = store.apply_links(records)["x"]
        store.set_label(person, "Anna Example", "op")
        gone = [store.tracklet(f"0{camera}") for camera in "abc"]
    traces = [b"Anna Example", b"track-0a", b"0a_0.jpg", b"0c_3.jpg"]
    traces += [one.exemplars[0].global_feature.astype("<f2").tobytes()[:48] for one in gone]
    before = everything_below(tmp_path)
    there = [trace for trace in traces if trace in before]
    assert len(there) >= 5, "a vector may lie across two pages"
    removed = found(call("erase", "--identity", person, "--yes", *place, "--json"))["removed"]
    assert (removed["tracklets"], removed["exemplars"], removed["crops"]) == (3, 12, 12)
    after = everything_below(tmp_path)
    assert not [trace for trace in there if trace in after]
    assert len(found(call("cameras", *place, "--json"))["cameras"]) == 3


def test_asking_what_would_go_changes_nothing(place: list[str], tmp_path: Path) -> None:
    found(call("associate", *place, "--json"))
    before = found(call("identities", *place, "--json"))
    for asked in (["erase", "--identity", 1], ["retention", "--days", 1]):
        done = call(*asked, *place, "--json")
        assert done.exit_code == 2
        told = json.loads(done.stdout)
        assert told["removed"] is None
        assert told["would_remove"]["tracklets"] > 0
        assert "Nothing was removed; add --yes to do it." in done.stderr
    assert found(call("identities", *place, "--json")) == before
    assert found(call("audit", *place, "--json")) == {"audit": []}


def test_what_would_go_is_what_goes(
    place: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment lies soon after the third person and six hours after the other two."""
    clock = SimpleNamespace(time=lambda: T0 + LATER_S + 1000)
    monkeypatch.setattr("pipeline.cli_erase.time", clock)
    asked = json.loads(call("retention", "--days", 0.25, *place, "--json").stdout)
    removed = found(call("retention", "--days", 0.25, "--yes", *place, "--json"))["removed"]
    assert asked["would_remove"]["tracklets"] == removed["tracklets"] == 6
    with open_at(tmp_path) as store:
        assert {row.uuid for row in store.tracklet_rows()} == {"2a", "2b", "2c"}
        assert {path.rsplit("/", 1)[1][:2] for path in store.media.files()} == {"2a", "2b", "2c"}


@pytest.mark.parametrize("days", ["0", "1e300"])
def test_any_number_of_days_is_understood(place: list[str], days: str) -> None:
    removed = found(call("retention", "--days", days, "--yes", *place, "--json"))["removed"]
    assert removed["tracklets"] == (9 if days == "0" else 0)
