"""The space in which a search compares: without what cameras add, and true to the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from search_builders import RUN, T0, open_archive, tracklet
from sqlalchemy import text

from pipeline.association.adaptation import SiteSpace
from pipeline.search import SearchService
from pipeline.search_space import SearchSpace
from reid.embeddings import Embeddings
from storage.records import LinkRecord
from storage.store import Store
from storage.tracklets import Tracklet

DIM, PEOPLE = 24, 16
CAMERAS = ("cam-1", "cam-2")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_archive(tmp_path) as opened:
        yield opened


def looks(rng: np.random.Generator) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """A direction for each person, and what each camera adds to everybody."""
    return rng.normal(size=(PEOPLE, DIM)), {name: 2 * rng.normal(size=DIM) for name in CAMERAS}


def seen(
    uuid: str, camera: str, start_s: float, look: NDArray[np.float64], rng: np.random.Generator
) -> Tracklet:
    """A tracklet of three exemplars, which differ most in one direction that means nothing."""
    made = tracklet(uuid, "red", camera, start_s, pictures=3)
    swing = np.eye(DIM)[0] * 3
    rows = [
        look + rng.normal() * swing + 0.2 * rng.normal(size=DIM) for _ in range(len(made.exemplars))
    ]
    exemplars = tuple(
        replace(one, global_feature=(row / np.linalg.norm(row)).astype(np.float32))
        for one, row in zip(made.exemplars, rows, strict=True)
    )
    return replace(made, exemplars=exemplars)


def fill(store: Store, seed: int = 0) -> dict[str, int]:
    """Everybody once in each camera; returns the person of each tracklet."""
    rng = np.random.default_rng(seed)
    people, offsets = looks(rng)
    made = {
        f"{camera}-{who}": seen(
            f"{camera}-{who}", camera, T0 + 10 * who, people[who] + offsets[camera], rng
        )
        for camera in CAMERAS
        for who in range(PEOPLE)
    }
    store.add_tracklets(list(made.values()), RUN)
    return {uuid: int(uuid.rsplit("-", 1)[1]) for uuid in made}


def rank1(service: SearchService, person: dict[str, int]) -> float:
    """How often "more like this" shows the same person in the other camera first."""
    right = []
    for uuid, who in person.items():
        hits = service.search_by_tracklet(uuid).hits
        elsewhere = [hit for hit in hits if hit.camera not in uuid]
        right.append(person[elsewhere[0].tracklet_uuid] == who)
    return float(np.mean(right))


def test_people_are_found_across_cameras_of_different_light(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = fill(store)
    service = SearchService(store, None, part_weight=0.0)
    adapted = rank1(service, person)
    monkeypatch.setattr(SearchSpace, "of", lambda *arguments: None)
    plain = rank1(SearchService(store, None, part_weight=0.0), person)
    assert adapted >= 0.8
    assert adapted >= plain + 0.3


def test_a_picture_of_an_unknown_camera_is_measured_from_the_site(store: Store) -> None:
    fill(store)
    space = SearchSpace(store).of("colour-1", 96)
    assert space is not None
    features = np.random.default_rng(1).normal(size=(2, DIM))
    unknown = space.place(features, [None, "no such camera"])
    np.testing.assert_allclose(unknown[0], space.place(features[:1], ["never"])[0])
    moved = (features[1] - space.site_mean) @ space.whitener
    np.testing.assert_allclose(unknown[1], moved / np.linalg.norm(moved))
    assert not np.allclose(unknown[0], space.place(features[:1], ["cam-1"])[0])


def test_an_archive_without_such_vectors_has_no_space(store: Store) -> None:
    assert SearchSpace(store).of("colour-1", 0) is None
    fill(store)
    assert SearchSpace(store).of("another", 0) is None


def test_it_is_learned_anew_only_when_the_archive_has_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    fits: list[int] = []
    original = SiteSpace.fit

    def fit(features, *arguments):  # type: ignore[no-untyped-def]
        fits.append(len(features))
        return original(features, *arguments)

    monkeypatch.setattr(SiteSpace, "fit", fit)
    space = SearchSpace(store)
    for known in (96, 96, 115):
        space.of("colour-1", known)
    assert fits == [96], "nothing, and less than a fifth, has come since"
    space.of("colour-1", 116)
    assert fits == [96, 96]
    identity = store.new_identity()
    store.apply_links([LinkRecord("cam-1-0", "new", identity_id=identity)])
    store.erase_identity(identity, "test")
    space.of("colour-1", 116)
    assert fits == [96, 96, 93], "erased people are forgotten"


def test_every_camera_is_learned_however_long_ago_it_was_seen(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    monkeypatch.setattr("pipeline.search_space._LEAST_PER_CAMERA", 6)
    rows = SearchSpace(store, most=24)._sample("colour-1")
    newest = [f"{camera}-{who}" for camera in reversed(CAMERAS) for who in (15, 14, 13, 12)]
    assert [uuid for _, uuid, _ in rows] == [uuid for uuid in newest for _ in range(3)]
    assert {uuid: camera for _, uuid, camera in rows}["cam-1-15"] == "cam-1"
    assert len(SearchSpace(store, most=2)._sample("colour-1")) == 2 * 6


def test_a_large_archive_is_followed_as_fast_as_its_sample_ages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    space = SearchSpace(store, most=50)
    first = space.of("colour-1", 1_000_000)
    assert space.of("colour-1", 1_000_010) is first
    assert space.of("colour-1", 1_000_011) is not first


@pytest.mark.parametrize("damage", [np.zeros(3), np.full(DIM, np.nan)], ids=["short", "NaN"])
def test_a_damaged_vector_is_left_out_and_said(
    store: Store, damage: NDArray[np.float64], caplog: pytest.LogCaptureFixture
) -> None:
    fill(store)
    with store.database.write() as session:
        blob = damage.astype("<f2").tobytes()
        session.execute(text("UPDATE exemplar SET vector = :blob WHERE id = 1"), {"blob": blob})
    space = SearchSpace(store).of("colour-1", 96)
    assert space is not None
    assert np.isfinite(space.place(np.ones((1, DIM)), ["cam-1"])).all()
    assert "1 damaged vectors are left out" in caplog.text


def test_a_picture_finds_its_own_tracklet_first(store: Store) -> None:
    person = fill(store)
    service = SearchService(store, None, part_weight=0.0)
    for uuid in sorted(person)[:6]:
        one = store.tracklet(uuid).exemplars[0]
        query = Embeddings(
            one.global_feature[None], one.part_features[None], one.part_visibility[None], "colour-1"
        )
        assert service.search_by_embedding(query).hits[0].tracklet_uuid == uuid
