"""The archive as a ReID data set: who is in which split, what is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.reid_data import confirmed_tracklets, load_split
from reid.data.crops import Crops, Split
from reid.errors import ReidError
from storage.records import LinkRecord
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline.reid_store import CAMERAS, full_store, look, make_store, sighting
from ui.actions import confirm_sighting, not_this_person, rename, same_person

DOOR, HALL, YARD = CAMERAS
SPLITS: tuple[Split, ...] = ("train", "query", "gallery")


def names(crops: Crops) -> list[str]:
    """The tracklets' names, in the order of the rows, each once."""
    return list(dict.fromkeys(path.name.rpartition("_")[0] for path in crops.paths))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_the_halves_are_by_identity(folder: Path) -> None:
    full_store(folder).close()
    train, query, gallery = (load_split(folder, split) for split in SPLITS)
    assert set(train.identities) == {2, 4, 6, 8}
    assert set(gallery.identities) == set(query.identities) == {1, 3, 5, 7}
    for crops in (train, query, gallery):
        assert len(crops) == 4 * 4 * 2, "people, tracklets, pictures"
        assert set(crops.cameras) == {1, 2, 3}
    assert names(query) == names(gallery)


def test_rows_say_what_the_archive_says(folder: Path) -> None:
    full_store(folder).close()
    gallery = load_split(folder, "gallery")
    assert gallery.tracklets is not None
    assert gallery.tracklets.tolist() == [row // 2 for row in range(32)]
    for row, path in enumerate(gallery.paths):
        camera, identity, number = path.name.rpartition("_")[0].split("-")
        assert gallery.identities[row] == int(identity)
        assert gallery.cameras[row] == 1 + CAMERAS.index(camera)
        view = 100 * CAMERAS.index(camera) + 10 * int(number) + row % 2
        drawn = look(int(identity), view).astype(int)
        assert np.abs(cv2.imread(str(path)) - drawn).mean() < 20
    assert names(gallery)[0] == "door-1-0", "by time"


def test_who_is_no_query(folder: Path) -> None:
    """People of one camera stay in the gallery; those without identity are nowhere."""
    sightings = [
        *(sighting(1, camera) for camera in (DOOR, HALL)),
        *(sighting(3, DOOR, number) for number in (0, 1)),
        sighting(5, YARD, pictures=1),
        sighting(0, YARD),
        sighting(7, HALL, pictures=0),
    ]
    make_store(folder, sightings).close()
    assert set(names(load_split(folder, "query"))) == {"door-1-0", "hall-1-0"}
    assert set(names(load_split(folder, "gallery"))) == {
        "door-1-0", "hall-1-0", "door-3-0", "door-3-1", "yard-5-0",
    }  # fmt: skip


def test_training_leaves_out_who_has_one_picture(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sightings = [
        sighting(2, DOOR, pictures=1),
        sighting(4, HALL, pictures=1),
        sighting(4, YARD, pictures=1),
        sighting(6, HALL, pictures=3),
    ]
    make_store(folder, sightings).close()
    assert load_split(folder, "train").identities.tolist() == [4, 6, 6, 6, 4]
    assert f"{folder}: 1 identities with one picture are left out" in caplog.text


def test_merged_people_are_one(folder: Path) -> None:
    with make_store(folder, [sighting(1, DOOR), sighting(2, HALL)]) as store:
        store.merge_identities(1, 2, "tester")
    assert load_split(folder, "gallery").identities.tolist() == [1, 1, 1, 1]
    with pytest.raises(ReidError, match="nobody of the training half"):
        load_split(folder, "train")


def test_reading_is_a_line_of_the_audit_log(folder: Path) -> None:
    full_store(folder).close()
    for split in SPLITS:
        load_split(folder, split)
    with opened(folder) as store:
        said = [(row.action, row.details) for row in store.audit_log()]
    assert said[:2] == [
        ("reid", {"split": "gallery", "pictures": 32}),
        ("reid", {"split": "train", "pictures": 32}),
    ]
    assert len([action for action, _ in said if action == "reid"]) == 2


def opened(folder: Path) -> Store:
    return Store.open(sqlite_url(folder), folder / "media", create=False)


# What an operator said


def four(folder: Path) -> Store:
    """Persons 1 and 3 at the door and in the hall; the hall's tracks have two pieces."""
    pieces = [
        replace(sighting(who, HALL, number), track_uuid=f"hall {who}")
        for who in (1, 3)
        for number in (0, 1)
    ]
    return make_store(folder, [*(sighting(who, DOOR) for who in (1, 3)), *pieces])


def told(store: Store) -> set[str]:
    return confirmed_tracklets(store.tracklet_rows(), store.links(), store.decisions())


def associate_again(store: Store) -> None:
    """All links become the associator's, as a new pass makes them of what nobody tied."""
    links = store.links().values()
    store.apply_links([LinkRecord(x.tracklet_uuid, "linked", x.identity_id) for x in links])


def test_a_name_confirms_nothing(folder: Path) -> None:
    with four(folder) as store:
        rename(store, 1, "Anna", "tester")
        assert told(store) == set()


def test_a_confirmed_sighting_is_its_whole_track(folder: Path) -> None:
    with four(folder) as store:
        confirm_sighting(store, 1, "hall-1-1", "tester")
        wanted = {"door-1-0", "hall-1-0", "hall-1-1"}
        assert told(store) == wanted
        associate_again(store)
        assert told(store) == wanted, "the decision outlives the link"


def test_calling_two_people_the_same_confirms_all_their_sightings(folder: Path) -> None:
    parts = [sighting(who, camera) for who, camera in ((1, DOOR), (2, HALL), (3, YARD))]
    with make_store(folder, parts) as store:
        same_person(store, 1, 2, "tester")
        assert told(store) == {"door-1-0", "hall-2-0"}
    crops = load_split(folder, "gallery", confirmed=True)
    assert (names(crops), set(crops.identities)) == (["door-1-0", "hall-2-0"], {1})


def test_taking_apart_confirms_what_was_taken_out(folder: Path) -> None:
    with four(folder) as store:
        not_this_person(store, 1, "door-1-0", "tester")
        assert told(store) == {"door-1-0"}
        associate_again(store)
        assert told(store) == set(), "whose it is has been guessed anew"


def test_a_tie_between_two_identities_does_not_hold(folder: Path) -> None:
    with four(folder) as store:
        store.decide("must_link", "door-1-0", "door-3-0", "tester")
        assert told(store) == set()


def test_guessed_identities_are_mentioned_where_they_are_scored(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with four(folder) as store:
        confirm_sighting(store, 1, "door-1-0", "tester")
    with caplog.at_level(logging.WARNING):
        assert len(names(load_split(folder, "query"))) == 6
        assert "no operator confirmed the identity of 3 of the 6 tracklets" in caplog.text
        caplog.clear()
        assert len(names(load_split(folder, "gallery"))) == 6
        with four_confirmed(folder):
            assert len(names(load_split(folder, "query", confirmed=True))) == 6
        assert not caplog.records


def four_confirmed(folder: Path) -> Store:
    """The store of `four` with everything confirmed."""
    store = opened(folder)
    for who in (1, 3):
        confirm_sighting(store, who, f"hall-{who}-0", "tester")
    return store


# What is refused


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("sightings", "message"),
    [
        ([], "this store has no tracklets with pictures yet"),
        ([sighting(1, DOOR, pictures=0)], "this store has no tracklets with pictures yet"),
        (
            [sighting(0, DOOR), sighting(0, HALL)],
            "none of the 2 tracklets of this store has an identity",
        ),
        (
            [sighting(1, HALL), sighting(2, HALL), sighting(3, HALL), sighting(0, DOOR)],
            r"were seen by one camera only \(hall\); recognising them again takes two",
        ),
    ],
)
def test_stores_of_no_use(
    folder: Path, split: Split, sightings: Sequence[Tracklet], message: str
) -> None:
    make_store(folder, sightings).close()
    with pytest.raises(ReidError, match=f"{folder}: .*{message}"):
        load_split(folder, split)


@pytest.mark.parametrize("split", SPLITS)
def test_nothing_was_confirmed(folder: Path, split: Split) -> None:
    full_store(folder).close()
    message = f"{folder}: none of the 32 tracklets of this store has an identity that an operator"
    with pytest.raises(ReidError, match=message):
        load_split(folder, split, confirmed=True)


@pytest.mark.parametrize(
    ("split", "sightings", "message"),
    [
        ("train", [(1, DOOR), (3, HALL)], r"nobody of the training half \(even identity"),
        (
            "train",
            [(2, DOOR, 0, 1), (4, HALL, 0, 1)],
            r"nobody of the training half \(even identity numbers\) has two pictures",
        ),
        ("gallery", [(2, DOOR), (4, HALL)], r"nobody is in the test half \(odd identity numbers\)"),
        ("query", [(2, DOOR), (4, HALL)], r"nobody is in the test half \(odd identity numbers\)"),
        (
            "query",
            [(1, DOOR), (3, HALL)],
            ".* was seen by two cameras, so there is nothing to query",
        ),
    ],
)
def test_a_half_without_anybody(
    folder: Path, split: Split, sightings: Sequence[tuple[int, str]], message: str
) -> None:
    make_store(folder, [sighting(*one) for one in sightings]).close()
    with pytest.raises(ReidError, match=f"{folder}: {message}"):
        load_split(folder, split)


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=f"{tmp_path}: no store of the main job: .* crosswalk.db"):
        load_split(tmp_path, "train")
    assert not list(tmp_path.iterdir())


def test_a_database_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "crosswalk.db").write_bytes(b"holiday pictures " * 400)
    with pytest.raises(ReidError, match=r"crosswalk\.db: .*not a database"):
        load_split(tmp_path, "train")


def test_missing_pictures_are_named(folder: Path) -> None:
    full_store(folder).close()
    crops = load_split(folder, "gallery")
    for path in crops.paths[3:5]:
        path.unlink()
    message = rf"{crops.paths[3]}: no such picture.*\(2 of 32 pictures are missing\)"
    with pytest.raises(ReidError, match=message):
        load_split(folder, "gallery")
    assert len(load_split(folder, "train")) == 32, "the other half is whole"
