"""A store of people who are drawn in two colours, for the ReID commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline.search_builders import RUN, T0, tracklet

CAMERAS = ("door", "hall", "yard")
PEOPLE = 8
"""Of `full_store`: four in each half."""


def look(identity: int, view: int) -> NDArray[np.uint8]:
    """(64, 32, 3) uint8 BGR: two colours of the identity, with the noise of a view."""
    colours = np.random.default_rng(identity).integers(30, 226, (2, 3))
    noise = np.random.default_rng([identity, view]).normal(0, 12, (64, 32, 3))
    body = np.repeat(colours, 32, axis=0)[:, None]
    return np.clip(body + noise, 0, 255).astype(np.uint8)


def sighting(identity: int, camera: str, number: int = 0, pictures: int = 2) -> Tracklet:
    """A tracklet named CAMERA-IDENTITY-NUMBER of a track of its own."""
    view = 100 * CAMERAS.index(camera) + 10 * number
    made = tracklet(
        f"{camera}-{identity}-{number}",
        "red",
        camera,
        T0 + 60 * CAMERAS.index(camera) + number,
        pictures=pictures,
    )
    return replace(
        made,
        exemplars=tuple(
            replace(
                exemplar, crop_jpeg=cv2.imencode(".jpg", look(identity, view + row))[1].tobytes()
            )
            for row, exemplar in enumerate(made.exemplars)
        ),
    )


def make_store(folder: Path, sightings: Iterable[Tracklet]) -> Store:
    """A store in `folder`; identity N of the archive is the N of the tracklets' names.

    A tracklet of person 0 has no identity.
    """
    store = Store.open(sqlite_url(folder), folder / "media", fsync=False)
    store.begin_run(RUN, {}, [CameraInfo(camera) for camera in CAMERAS])
    made = list(sightings)
    store.add_tracklets(made, RUN)
    people = {one.uuid: int(one.uuid.split("-")[1]) for one in made}
    for _ in range(max(people.values(), default=0)):
        store.new_identity()
    store.apply_links(
        [LinkRecord(uuid, "linked", identity_id=who) for uuid, who in people.items() if who]
    )
    return store


def full_store(folder: Path) -> Store:
    """Everybody once in every camera, in the first one twice."""
    numbers = [(camera, 0) for camera in CAMERAS] + [(CAMERAS[0], 1)]
    return make_store(
        folder, [sighting(who, *place) for who in range(1, PEOPLE + 1) for place in numbers]
    )
