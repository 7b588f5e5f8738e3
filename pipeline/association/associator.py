"""Associates the tracklets of an archive into identities and stores every decision's reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.association.clustering import cluster
from pipeline.association.constraints import apply_decisions, cannot_link
from pipeline.association.evidence import Calibration, Evidence, Transits, gather_evidence
from pipeline.association.naming import name_groups
from pipeline.association.nodes import Nodes
from pipeline.association.reasons import explain
from pipeline.config import CameraConfig
from pipeline.config.stages import AssociationConfig
from storage.records import LinkRecord
from storage.store import Store
from storage.tracklets import Tracklet


class AssociatorSettings(Protocol):
    """What association needs of a configuration."""

    @property
    def cameras(self) -> list[CameraConfig]:
        """The cameras with their neighbours."""

    @property
    def association(self) -> AssociationConfig:
        """Probability and window."""


@dataclass(frozen=True)
class AssociationSummary:
    """What one pass did.

    Attributes:
        tracklets: how many were considered. identities: groups they form.
        linked: tracklets that share their identity with another one.
        abstained: tracklets that could not be told (nothing embedded, or nothing near enough
            with too little to stand alone); they have no identity.
        changed: tracklets whose link differs from before.
    """

    tracklets: int
    identities: int
    linked: int
    abstained: int
    changed: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Associator:
    """Groups the tracklets inside the window; earlier decisions are revised.

    Args:
        store: the archive.
        config: cameras (for transit windows) and association settings.
        calibration: of the evidence.
    """

    def __init__(
        self, store: Store, config: AssociatorSettings, calibration: Calibration | None = None
    ) -> None:
        self._store = store
        self._settings = config.association
        self._transits = transit_windows(config.cameras)
        self._calibration = calibration or Calibration()

    def run(self, *, everything: bool = False) -> AssociationSummary:
        """One pass over the newest tracklets, those of older footage that is new included.

        Args:
            everything: take the whole archive, not only the window.

        Raises:
            StoreError: the archive cannot be read or written.
        """
        tracklets = self._store.tracklets() if everything else self._window()
        told = [t for t in tracklets if t.exemplars]
        mute = [t for t in tracklets if not t.exemplars]
        if len({t.fingerprint for t in told}) > 1:
            newest = max(told, key=lambda t: t.end_s).fingerprint
            mute += [t for t in told if t.fingerprint != newest]
            told = [t for t in told if t.fingerprint == newest]
        before = self._store.links([t.uuid for t in tracklets])
        groups, evidence, nodes, forbidden = self._group(told)
        kept = {u: r.identity_id for u, r in before.items() if r.identity_id is not None}
        names = name_groups([t.uuid for t in told], groups, nodes.weights, kept)
        decided = [(d.kind, d.uuid_a, d.uuid_b) for d in self._store.decisions()]
        records = explain(nodes, groups, names, evidence, forbidden, self._transits, decided)
        changed = sum(_differs(before.get(r.tracklet_uuid), r) for r in records)
        self._store.apply_links(records)
        given = [r for r in records if r.outcome != "abstained"]
        sizes = np.bincount(groups) if len(groups) else np.zeros(0, np.int64)
        return AssociationSummary(
            tracklets=len(tracklets),
            identities=len({(r.identity_id, r.identity_key) for r in given}),
            linked=int(sum(sizes[g] > 1 for g in groups)),
            abstained=len(mute) + len(records) - len(given),
            changed=int(changed),
        )

    def _window(self) -> list[Tracklet]:
        """The window ends with the newest tracklet, or with the first that is undecided yet."""
        rows = [row for row in self._store.tracklet_rows() if row.exemplar_count]
        if not rows:
            return self._store.tracklets()
        decided = self._store.links()
        newest = max(rows, key=lambda row: row.end_s)
        undecided = [
            row.end_s
            for row in rows
            if row.uuid not in decided and row.fingerprint == newest.fingerprint
        ]
        first = min([*undecided, newest.end_s])
        return self._store.tracklets(start_s=first - self._settings.window_s)

    def _group(
        self, told: list[Tracklet]
    ) -> tuple[NDArray[np.int64], Evidence, Nodes, NDArray[np.bool_]]:
        nodes = Nodes.of(told)
        evidence = gather_evidence(nodes, self._calibration, self._transits)
        forbidden = cannot_link(told)
        required = _same_track(told) & ~forbidden
        decisions = [(d.kind, d.uuid_a, d.uuid_b) for d in self._store.decisions()]
        apply_decisions(told, decisions, forbidden, required)
        threshold = _log_odds(self._settings.link_probability)
        groups = cluster(evidence.log_odds, nodes.weights, forbidden, required, threshold)
        return groups, evidence, nodes, forbidden


def transit_windows(cameras: list[CameraConfig]) -> Transits:
    """(from, to) -> (shortest, longest) seconds, in both directions unless given separately."""
    windows: dict[tuple[str, str], tuple[float, float]] = {}
    for camera in cameras:
        for neighbour in camera.neighbours:
            low, high = neighbour.transit_s
            windows[camera.id, neighbour.camera] = (low, high)
    for (start, end), window in list(windows.items()):
        windows.setdefault((end, start), window)
    return windows


def _same_track(tracklets: list[Tracklet]) -> NDArray[np.bool_]:
    """(N, N): pieces of one track, which the tracker has joined already."""
    tracks = np.array([t.track_uuid for t in tracklets])
    same = tracks[:, None] == tracks[None]
    np.fill_diagonal(same, False)
    return np.asarray(same, np.bool_)


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))


def _differs(before: LinkRecord | None, now: LinkRecord) -> bool:
    if before is None or now.identity_key is not None:
        return True
    return before.identity_id != now.identity_id
