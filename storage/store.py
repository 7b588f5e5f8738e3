"""The archive as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from storage import archive, erasure, identities, journal, links, reembed, runs, scan
from storage.database import Database, sqlite_url
from storage.filters import stored_uuids
from storage.media import MediaFolder
from storage.records import (
    AuditRow,
    CameraInfo,
    CameraRow,
    Decision,
    DecisionKind,
    ErasureReport,
    ExemplarMatrix,
    IdentityRow,
    LinkRecord,
    Reembedding,
    RunInfo,
    SearchFilter,
    TrackletRow,
)
from storage.tracklets import Tracklet

__all__ = ["Store", "sqlite_url"]


class Store:
    """Database and crops. Threads may share it; every method is one transaction.

    Every method raises `StoreError` if the database fails or a named row does not exist.
    """

    def __init__(self, database: Database, media: MediaFolder) -> None:
        """Use an opened database; programs call `Store.open`."""
        self.database = database
        self.media = media

    @classmethod
    def open(cls, url: str, media_dir: Path, *, create: bool = True, fsync: bool = True) -> Self:
        """Open an archive and bring its tables up to date.

        Args:
            url: SQLAlchemy URL; `sqlite_url` makes one for a folder.
            media_dir: folder of the crops.
            create: make the archive if there is none; False refuses.
            fsync: wait for the disk after each crop. False writes faster, but a power cut may
                leave rows whose pictures are empty.

        Raises:
            StoreError: the place holds no archive, a newer one, or cannot be used.
        """
        return cls(Database(url, create=create), MediaFolder(media_dir, fsync=fsync))

    def close(self) -> None:
        """Close the database; the store is of no use afterwards."""
        self.database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def begin_run(
        self, run_uuid: str, config: dict[str, Any], cameras: Sequence[CameraInfo]
    ) -> None:
        """Start a run or resume it; credentials in ``config`` and sources are not stored."""
        with self.database.write() as session:
            runs.begin(session, run_uuid, config, cameras)

    def finish_run(self, run_uuid: str, state: str) -> None:
        """End a run with a word such as ``finished``, ``stopped`` or ``failed``."""
        with self.database.write() as session:
            runs.finish(session, run_uuid, state)

    def runs(self) -> list[RunInfo]:
        """Return all runs, newest first."""
        with self.database.read() as session:
            return runs.listing(session)

    def cameras(self) -> list[CameraRow]:
        """Return all cameras by id, with what each has seen."""
        with self.database.read() as session:
            return runs.cameras(session)

    def add_tracklets(self, tracklets: Sequence[Tracklet], run_uuid: str) -> list[str]:
        """Store tracklets and crops; returns the uuids that were neither stored nor erased."""
        return archive.add(self.database, self.media, tracklets, run_uuid)

    def has_tracklets(self, uuids: Iterable[str]) -> set[str]:
        """Return those of ``uuids`` that are stored."""
        with self.database.read() as session:
            return stored_uuids(session, uuids)

    def tracklet(self, uuid: str) -> Tracklet:
        """Return one tracklet with its crops."""
        return archive.load_one(self.database, self.media, uuid)

    def tracklets(
        self,
        cameras: Collection[str] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        identity: int | None = None,
        run_uuid: str | None = None,
        with_crops: bool = False,
    ) -> list[Tracklet]:
        """Return tracklets that overlap [``start_s``, ``end_s``] POSIX seconds, by start.

        Without crops every ``crop_jpeg`` is empty.
        """
        search = SearchFilter(cameras, start_s, end_s, identity)
        return archive.load(self.database, self.media if with_crops else None, search, run_uuid)

    def tracklet_rows(
        self,
        cameras: Collection[str] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        identity: int | None = None,
        run_uuid: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[TrackletRow]:
        """Return the same tracklets without arrays, at most ``limit`` from ``offset`` on."""
        search = SearchFilter(cameras, start_s, end_s, identity)
        return archive.rows(self.database, search, run_uuid, limit, offset)

    def crop_paths(self) -> dict[str, tuple[str, ...]]:
        """Return the crops of each tracklet that has any, best first, relative to the media."""
        return archive.crop_paths(self.database)

    def new_identity(self, label: str | None = None) -> int:
        """Create an identity; its id is never given to anyone else."""
        with self.database.write() as session:
            return links.create_identity(session, label)

    def apply_links(self, records: Sequence[LinkRecord]) -> dict[str, int]:
        """Make ``records`` the current links, in one transaction; returns new ids by key."""
        with self.database.write() as session:
            return links.apply(session, records)

    def links(self, tracklet_uuids: Iterable[str] | None = None) -> dict[str, LinkRecord]:
        """Return the current link of each tracklet that has one; None asks for all."""
        with self.database.read() as session:
            return links.current(session, tracklet_uuids)

    def link_history(self, uuid: str) -> list[LinkRecord]:
        """Return every link a tracklet ever had, oldest first."""
        with self.database.read() as session:
            return links.history(session, uuid)

    def identities(self) -> list[IdentityRow]:
        """Return all identities that were not merged into another, by id."""
        with self.database.read() as session:
            return identities.listing(session)

    def people(self) -> list[IdentityRow]:
        """Return the identities that somebody would look for, by id.

        One that no tracklet has any more, because association thought better of it, is left out
        unless an operator named it.
        """
        return [row for row in self.identities() if row.tracklet_count or row.label is not None]

    def set_label(self, identity_id: int, label: str | None, actor: str) -> None:
        """Name an identity, or take its name away."""
        with self.database.write() as session:
            identities.set_label(session, identity_id, label, actor)

    def merge_identities(self, keep: int, drop: int, actor: str) -> None:
        """Say that two identities are one person; ``drop`` points to ``keep`` from now on."""
        with self.database.write() as session:
            identities.merge(session, keep, drop, actor)

    def decide(self, kind: DecisionKind, uuid_a: str, uuid_b: str, actor: str) -> None:
        """Keep an operator's ``must_link`` or ``cannot_link`` for two tracklets."""
        with self.database.write() as session:
            identities.decide(session, kind, uuid_a, uuid_b, actor)

    def decisions(self) -> list[Decision]:
        """Return all operator decisions, oldest first."""
        with self.database.read() as session:
            return identities.decisions(session)

    def audit(self, actor: str, action: str, details: dict[str, Any]) -> None:
        """Add a line to the audit log; ``details`` must be JSON."""
        with self.database.write() as session:
            journal.record(session, actor, action, details)

    def audit_log(self, limit: int = 100) -> list[AuditRow]:
        """Return at most ``limit`` lines of the audit log, newest first."""
        with self.database.read() as session:
            return journal.latest(session, limit)

    def erase_identity(self, identity_id: int, actor: str) -> ErasureReport:
        """Remove a person's rows, vectors and crops, and report what was removed."""
        return erasure.erase_identity(self.database, self.media, identity_id, actor)

    def apply_retention(self, max_age_s: float, now_s: float, actor: str) -> ErasureReport:
        """Remove tracklets that ended more than ``max_age_s`` seconds before ``now_s``."""
        return erasure.apply_retention(self.database, self.media, max_age_s, now_s, actor)

    def orphans(self, min_age_s: float = 3600.0) -> list[str]:
        """Return files of the media folder, at least that old, that no row names."""
        return erasure.orphans(self.database, self.media, min_age_s)

    def remove_orphans(self, actor: str, min_age_s: float = 3600.0) -> int:
        """Remove those files; returns how many."""
        return erasure.remove_orphans(self.database, self.media, min_age_s, actor)

    def exemplar_scan(self, search: SearchFilter, fingerprint: str) -> ExemplarMatrix:
        """Return the global vectors that the filter leaves; refuses other fingerprints."""
        with self.database.read() as session:
            return scan.exemplar_matrix(session, search, fingerprint)

    def parts(
        self, row_ids: Sequence[int] | NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return part vectors (n, P, d) and visibility (n, P) of exemplar rows, in that order."""
        with self.database.read() as session:
            return scan.parts(session, row_ids)

    def reembed(self, updates: Iterable[Reembedding], *, weights: Path | None = None) -> None:
        """Replace the vectors of whole tracklets, all or none, after the embedder has changed.

        With `weights`, the new embedder's file, search compares with these from now on.
        """
        with self.database.write() as session:
            reembed.apply(session, updates)
            if weights is not None:
                reembed.use_weights(session, str(weights.resolve()))

    def pictures_by_fingerprint(self) -> dict[str, int]:
        """Return how many stored pictures were embedded by each embedder."""
        with self.database.read() as session:
            return reembed.pictures_by_fingerprint(session)
