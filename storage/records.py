"""What goes into and comes out of the store, besides `storage.tracklets.Tracklet`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Outcome = Literal["new", "linked", "abstained", "confirmed"]
DecisionKind = Literal["must_link", "cannot_link"]


@dataclass(frozen=True)
class CameraInfo:
    """A camera as configured; credentials in ``source`` are removed before it is stored."""

    id: str
    name: str = ""
    source: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True)
class CameraRow:
    """A camera and what it has seen; ``first_s``/``last_s`` are POSIX seconds or None."""

    id: str
    name: str
    source: str
    timezone: str
    first_s: float | None
    last_s: float | None
    tracklet_count: int
    identity_count: int


@dataclass(frozen=True)
class RunInfo:
    """One start of the main job; ``finished_at`` is None while it runs."""

    uuid: str
    started_at: datetime
    finished_at: datetime | None
    state: str
    config: dict[str, Any]
    tracklet_count: int


@dataclass(frozen=True)
class TrackletRow:
    """A tracklet without its arrays; ``crop_path`` is its best crop, relative to the media."""

    uuid: str
    track_uuid: str
    camera: str
    run_uuid: str
    start_s: float
    end_s: float
    identity_id: int | None
    box_count: int
    mean_score: float
    exemplar_count: int
    crop_path: str | None
    source: str
    source_offset_s: float
    source_fps: float
    fingerprint: str


@dataclass(frozen=True)
class LinkRecord:
    """Which identity a tracklet has, and why.

    Attributes:
        tracklet_uuid: the tracklet.
        outcome: ``new`` identity, ``linked`` to a known one, ``abstained``, or ``confirmed`` by
            an operator.
        identity_id: the identity; None if ``identity_key`` names one to be created, or if the
            associator abstained without giving one.
        identity_key: any string; the records of one `Store.apply_links` call that share it get
            one new identity. It means nothing outside that call.
        probability: that the link is right, 0..1.
        global_similarity: cosine to the best match.
        part_distance: aligned part distance to the best match.
        transit_s: seconds between the two tracklets.
        transit_expected_min_s: shortest transit that the topology expects, seconds.
        transit_expected_max_s: longest transit that the topology expects, seconds.
        best_match_tracklet: uuid of the tracklet that decided.
        rejected_identity_id: best identity that was not chosen.
        rejected_identity_key: the same, for an identity that this call creates.
        rejected_probability: its probability, 0..1.
        decided_at: UTC; None stands for now.
    """

    tracklet_uuid: str
    outcome: Outcome
    identity_id: int | None = None
    identity_key: str | None = None
    probability: float | None = None
    global_similarity: float | None = None
    part_distance: float | None = None
    transit_s: float | None = None
    transit_expected_min_s: float | None = None
    transit_expected_max_s: float | None = None
    best_match_tracklet: str | None = None
    rejected_identity_id: int | None = None
    rejected_identity_key: str | None = None
    rejected_probability: float | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True)
class IdentityRow:
    """A person and where they were seen; times are POSIX seconds, None without tracklets."""

    id: int
    label: str | None
    created_at: datetime
    tracklet_count: int
    cameras: tuple[str, ...]
    first_s: float | None
    last_s: float | None
    crop_path: str | None


@dataclass(frozen=True)
class Decision:
    """What an operator said about two tracklets; ``uuid_a`` < ``uuid_b``."""

    kind: DecisionKind
    uuid_a: str
    uuid_b: str
    actor: str
    decided_at: datetime


@dataclass(frozen=True)
class AuditRow:
    """One line of the audit log."""

    at: datetime
    actor: str
    action: str
    details: dict[str, Any]


@dataclass(frozen=True)
class ErasureReport:
    """What an erasure removed.

    Attributes:
        identities: ids that are gone; they are never given to anyone else.
        tracklets: rows removed.
        exemplars: vectors removed.
        crops: picture files removed.
        links: revisions of links removed.
        decisions: operator decisions removed.
        cleared: True if nothing is left in the database's files either; False while another
            process still reads the old state, and on PostgreSQL, whose VACUUM does it later.
    """

    identities: tuple[int, ...] = ()
    tracklets: int = 0
    exemplars: int = 0
    crops: int = 0
    links: int = 0
    decisions: int = 0
    cleared: bool = False


@dataclass(frozen=True)
class SearchFilter:
    """Which exemplars may be found; every field narrows, None leaves all.

    Attributes:
        cameras: camera ids; an empty collection leaves nothing.
        start_s: the tracklet ends at or after this POSIX second.
        end_s: the tracklet starts at or before this POSIX second.
        identity: only tracklets that are now linked to this identity.
        exclude_tracklets: uuids that must not be found, such as the query's own.
    """

    cameras: Collection[str] | None = None
    start_s: float | None = None
    end_s: float | None = None
    identity: int | None = None
    exclude_tracklets: Collection[str] = field(default=())


@dataclass(frozen=True)
class ExemplarMatrix:
    """The global vectors that a filter leaves, in the order of ``row_ids``.

    Attributes:
        row_ids: (M,) int64, ascending; for `Store.parts`.
        tracklet_uuids: M uuids.
        ranks: (M,) int64, 0 is the best picture of its tracklet.
        vectors: (M, D) float32, rows of length 1; D is 0 when M is 0.
        fingerprint: of the embedder that made all of them.
    """

    row_ids: NDArray[np.int64]
    tracklet_uuids: list[str]
    ranks: NDArray[np.int64]
    vectors: NDArray[np.float32]
    fingerprint: str


@dataclass(frozen=True)
class Reembedding:
    """New vectors of one tracklet's exemplars, in the order of their ranks.

    Attributes:
        tracklet_uuid: the tracklet.
        fingerprint: of the embedder that made the new vectors.
        global_features: (E, D) float32, rows of length 1.
        part_features: (E, P, d) float32, rows of length 1.
        part_visibility: (E, P) float32 in 0..1.
    """

    tracklet_uuid: str
    fingerprint: str
    global_features: NDArray[np.float32]
    part_features: NDArray[np.float32]
    part_visibility: NDArray[np.float32]
