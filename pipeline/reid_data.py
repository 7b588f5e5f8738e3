"""The archive as a ReID data set: the pictures of its tracklets under their identities."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.cli_session import Place, actor
from reid.data.crops import Crops, Split
from reid.errors import ReidError
from storage.errors import StoreError
from storage.records import Decision, LinkRecord, TrackletRow
from storage.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sighting:
    """A tracklet that has an identity and pictures.

    Attributes:
        crops: paths relative to the media folder, best first.
        confirmed: an operator said that it is this identity's.
    """

    identity: int
    camera: str
    crops: tuple[str, ...]
    confirmed: bool

    @property
    def trains(self) -> bool:
        """Whether it is in the training half; ids are never given twice, so it stays there."""
        return self.identity % 2 == 0


def load_split(root: Path, split: Split, *, confirmed: bool = False) -> Crops:
    """One split of the store in a folder, by tracklets; reading is a line of the audit log.

    Identities with even numbers are the training half, those with odd numbers the test half, so
    that nobody is in both as far as the archive knows. Training takes the identities with two
    pictures or more. In the test half all tracklets are the gallery, and those of identities seen
    by two cameras or more are the queries: the others are never a right answer, only wrong ones.
    Tracklets without identity may show anybody and are left out. Cameras are numbered from 1 by
    their ids.

    Args:
        root: the folder of `--store`, with database and pictures.
        confirmed: leave out tracklets whose identity is the associator's guess; see
            `confirmed_tracklets`.

    Raises:
        ReidError: no store, nobody in it that could be used, one camera only, or a picture that
            is missing.
    """
    try:
        with _opened(root) as store:
            sightings = _sightings(store, root, confirmed)
            chosen = _CHOICES[split](root, sightings)
            cameras = sorted(camera.id for camera in store.cameras())
            crops = _crops(store, chosen, cameras)
            if split != "query":
                store.audit(actor(), "reid", {"split": split, "pictures": len(crops)})
            return crops
    except StoreError as error:
        raise ReidError(str(error)) from error


def confirmed_tracklets(
    rows: Sequence[TrackletRow],
    links: Mapping[str, LinkRecord],
    decisions: Sequence[Decision],
) -> set[str]:
    """The uuids of the tracklets of which an operator said whose they are, where it still holds.

    Said by confirming or taking apart a sighting, or by calling two people the same: the link is
    `confirmed`, or a `must_link` joins it with a tracklet that has the same identity. All pieces
    of its track count with it. A person's name says nothing of single sightings.
    """
    who = {row.uuid: row.identity_id for row in rows}
    told = {uuid for uuid, link in links.items() if link.outcome == "confirmed"}
    for said in decisions:
        identity = who.get(said.uuid_a)
        if said.kind == "must_link" and identity is not None and identity == who.get(said.uuid_b):
            told |= {said.uuid_a, said.uuid_b}
    tracks = {(row.track_uuid, row.identity_id) for row in rows if row.uuid in told}
    return {row.uuid for row in rows if (row.track_uuid, row.identity_id) in tracks}


@contextmanager
def _opened(root: Path) -> Iterator[Store]:
    place = Place.of(root)
    if not (root / "crosswalk.db").exists():
        raise ReidError(f"{root}: no store of the main job: there is no file crosswalk.db in it")
    with Store.open(place.url, place.media, create=False) as store:
        yield store


def _sightings(store: Store, root: Path, confirmed: bool) -> list[_Sighting]:
    """All that can be used, by time."""
    crops = store.crop_paths()
    rows = [row for row in store.tracklet_rows() if row.uuid in crops]
    if not rows:
        raise ReidError(f"{root}: this store has no tracklets with pictures yet")
    told = confirmed_tracklets(rows, store.links(), store.decisions())
    found = [
        _Sighting(row.identity_id, row.camera, crops[row.uuid], row.uuid in told)
        for row in rows
        if row.identity_id is not None and (row.uuid in told or not confirmed)
    ]
    if not found:
        lacking = "an identity that an operator confirmed" if confirmed else "an identity"
        raise ReidError(f"{root}: none of the {len(rows)} tracklets of this store has {lacking}")
    cameras = {one.camera for one in found}
    if len(cameras) < 2:
        raise ReidError(
            f"{root}: the people of this store were seen by one camera only ({cameras.pop()}); "
            "recognising them again takes two"
        )
    return found


def _train(root: Path, sightings: Sequence[_Sighting]) -> list[_Sighting]:
    half = [one for one in sightings if one.trains]
    pictures = Counter({one.identity: 0 for one in half})
    for one in half:
        pictures[one.identity] += len(one.crops)
    single = {identity for identity, count in pictures.items() if count < 2}
    if len(single) == len(pictures):
        raise ReidError(
            f"{root}: nobody of the training half (even identity numbers) has two pictures"
        )
    if single:
        log.warning("%s: %d identities with one picture are left out", root, len(single))
    return [one for one in half if one.identity not in single]


def _gallery(root: Path, sightings: Sequence[_Sighting]) -> list[_Sighting]:
    half = [one for one in sightings if not one.trains]
    if not half:
        raise ReidError(f"{root}: nobody is in the test half (odd identity numbers)")
    return half


def _query(root: Path, sightings: Sequence[_Sighting]) -> list[_Sighting]:
    half = _gallery(root, sightings)
    seen_by = defaultdict(set)
    for one in half:
        seen_by[one.identity].add(one.camera)
    queries = [one for one in half if len(seen_by[one.identity]) > 1]
    if not queries:
        raise ReidError(
            f"{root}: nobody of the test half (odd identity numbers) was seen by two cameras, so "
            "there is nothing to query"
        )
    guessed = sum(not one.confirmed for one in half)
    if guessed:
        log.warning(
            "%s: no operator confirmed the identity of %d of the %d tracklets of the test half: "
            "scores say how far the weights agree with the archive",
            root,
            guessed,
            len(half),
        )
    return queries


_CHOICES = {"train": _train, "query": _query, "gallery": _gallery}


def _crops(store: Store, chosen: Sequence[_Sighting], cameras: Sequence[str]) -> Crops:
    """Raises ReidError: a picture is missing."""
    sizes = [len(one.crops) for one in chosen]
    paths = tuple(store.media.locate(crop) for one in chosen for crop in one.crops)
    _check_there(paths)
    number = {camera: place for place, camera in enumerate(cameras, 1)}
    return Crops(
        paths,
        np.repeat(np.array([one.identity for one in chosen], np.int64), sizes),
        np.repeat(np.array([number[one.camera] for one in chosen], np.int64), sizes),
        np.repeat(np.arange(len(chosen), dtype=np.int64), sizes),
    )


def _check_there(paths: Collection[Path]) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ReidError(
            f"{missing[0]}: no such picture, though the store names it "
            f"({len(missing)} of {len(paths)} pictures are missing)"
        )
