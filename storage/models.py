"""The tables of the archive, the only truth about what was seen.

Moments that people decide about are `UtcDateTime`; times of pictures are POSIX seconds in
double precision, so that a tracklet comes back bit for bit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from storage.column_types import HalfVector, UtcDateTime

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Common parent; constraint names are fixed so that migrations can find them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own protocol
        float: Double,
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
    }


class Meta(Base):
    """Facts about the archive itself, such as the ``generation`` that an erasure raises."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int]


class Camera(Base):
    """A camera; what it has seen is counted from the tracklets, so it cannot drift."""

    __tablename__ = "camera"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(String(64))


class Run(Base):
    """One start of the main job and the configuration it ran with."""

    __tablename__ = "run"
    uuid: Mapped[str] = mapped_column(String(64), primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(32))
    config: Mapped[dict[str, Any]]


class Tracklet(Base):
    """A closed piece of one track; the BLOBs are `storage.codec.pack_array` arrays."""

    __tablename__ = "tracklet"
    __table_args__ = (Index(None, "camera_id", "start_s"),)
    uuid: Mapped[str] = mapped_column(String(64), primary_key=True)
    track_uuid: Mapped[str] = mapped_column(String(64), index=True)
    camera_id: Mapped[str] = mapped_column(ForeignKey("camera.id"))
    run_uuid: Mapped[str] = mapped_column(ForeignKey("run.uuid"), index=True)
    start_s: Mapped[float] = mapped_column(index=True)
    end_s: Mapped[float] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(Text)
    source_offset_s: Mapped[float]
    source_fps: Mapped[float]
    frame_width: Mapped[int]
    frame_height: Mapped[int]
    box_count: Mapped[int]
    mean_score: Mapped[float]
    fingerprint: Mapped[str] = mapped_column(String(128), index=True)
    frame_indices: Mapped[bytes] = mapped_column(LargeBinary)
    times: Mapped[bytes] = mapped_column(LargeBinary)
    boxes: Mapped[bytes] = mapped_column(LargeBinary)
    scores: Mapped[bytes] = mapped_column(LargeBinary)
    exemplars: Mapped[list[Exemplar]] = relationship(
        order_by="Exemplar.rank", passive_deletes=True, cascade="all, delete-orphan"
    )


class Exemplar(Base):
    """One good picture of a tracklet; ids rise and are never used twice."""

    __tablename__ = "exemplar"
    __table_args__ = (UniqueConstraint("tracklet_uuid", "rank"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    tracklet_uuid: Mapped[str] = mapped_column(ForeignKey("tracklet.uuid", ondelete="CASCADE"))
    rank: Mapped[int]
    time_s: Mapped[float]
    frame_index: Mapped[int] = mapped_column(BigInteger)
    box: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[float]
    crop_path: Mapped[str] = mapped_column(Text, unique=True)
    dim: Mapped[int]
    part_count: Mapped[int]
    part_dim: Mapped[int]
    visibility: Mapped[bytes] = mapped_column(LargeBinary)
    vector: Mapped[NDArray[np.float16]] = mapped_column(HalfVector)
    parts: Mapped[bytes] = mapped_column(LargeBinary)


class Identity(Base):
    """One person; ids are never recycled, a merged identity points to its survivor."""

    __tablename__ = "identity"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    merged_into: Mapped[int | None] = mapped_column(
        ForeignKey("identity.id", ondelete="SET NULL"), index=True
    )


class Link(Base):
    """One revision of the answer to "who is this tracklet?", and why."""

    __tablename__ = "link"
    __table_args__ = (
        UniqueConstraint("tracklet_uuid", "revision"),
        Index(
            "uq_link_current",
            "tracklet_uuid",
            unique=True,
            sqlite_where=text("current"),
            postgresql_where=text("current"),
        ),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tracklet_uuid: Mapped[str] = mapped_column(ForeignKey("tracklet.uuid", ondelete="CASCADE"))
    revision: Mapped[int]
    current: Mapped[bool]
    identity_id: Mapped[int | None] = mapped_column(
        ForeignKey("identity.id", ondelete="SET NULL"), index=True
    )
    outcome: Mapped[str] = mapped_column(String(16))
    probability: Mapped[float | None]
    global_similarity: Mapped[float | None]
    part_distance: Mapped[float | None]
    transit_s: Mapped[float | None]
    transit_expected_min_s: Mapped[float | None]
    transit_expected_max_s: Mapped[float | None]
    best_match_tracklet: Mapped[str | None] = mapped_column(
        ForeignKey("tracklet.uuid", ondelete="SET NULL"), index=True
    )
    rejected_identity_id: Mapped[int | None] = mapped_column(
        ForeignKey("identity.id", ondelete="SET NULL"), index=True
    )
    rejected_probability: Mapped[float | None]
    decided_at: Mapped[datetime]


class OperatorDecision(Base):
    """What an operator said about two tracklets; ``uuid_a`` < ``uuid_b``."""

    __tablename__ = "operator_decision"
    uuid_a: Mapped[str] = mapped_column(
        ForeignKey("tracklet.uuid", ondelete="CASCADE"), primary_key=True
    )
    uuid_b: Mapped[str] = mapped_column(
        ForeignKey("tracklet.uuid", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime]


class Erased(Base):
    """Random ids of erased tracklets, so that a late delivery does not bring a person back."""

    __tablename__ = "erased"
    uuid: Mapped[str] = mapped_column(String(64), primary_key=True)
    erased_at: Mapped[datetime]


class Audit(Base):
    """Who did what to the archive, and when."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]]
