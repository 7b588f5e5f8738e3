"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import HalfVector, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table; on PostgreSQL the vector extension first."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    _create_audit()
    _create_camera()
    _create_erased()
    _create_identity()
    _create_meta()
    _create_run()
    _create_tracklet()
    _create_exemplar()
    _create_link()
    _create_operator_decision()


def downgrade() -> None:
    """Drop every table."""
    op.drop_table("operator_decision")
    op.drop_table("link")
    op.drop_table("exemplar")
    op.drop_table("tracklet")
    op.drop_table("run")
    op.drop_table("meta")
    op.drop_table("identity")
    op.drop_table("erased")
    op.drop_table("camera")
    op.drop_table("audit")


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def _create_camera() -> None:
    op.create_table(
        "camera",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_camera"),
    )


def _create_erased() -> None:
    op.create_table(
        "erased",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_erased"),
    )


def _create_identity() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["identity.id"], name="fk_identity_merged_into", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_identity_merged_into", "identity", ["merged_into"])


def _create_meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_run"),
    )


def _create_tracklet() -> None:
    op.create_table(
        "tracklet",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("track_uuid", sa.String(length=64), nullable=False),
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("run_uuid", sa.String(length=64), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_offset_s", sa.Double(), nullable=False),
        sa.Column("source_fps", sa.Double(), nullable=False),
        sa.Column("frame_width", sa.Integer(), nullable=False),
        sa.Column("frame_height", sa.Integer(), nullable=False),
        sa.Column("box_count", sa.Integer(), nullable=False),
        sa.Column("mean_score", sa.Double(), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("frame_indices", sa.LargeBinary(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.Column("boxes", sa.LargeBinary(), nullable=False),
        sa.Column("scores", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_tracklet_camera_id"),
        sa.ForeignKeyConstraint(["run_uuid"], ["run.uuid"], name="fk_tracklet_run_uuid"),
        sa.PrimaryKeyConstraint("uuid", name="pk_tracklet"),
    )
    op.create_index("ix_tracklet_camera_id_start_s", "tracklet", ["camera_id", "start_s"])
    op.create_index("ix_tracklet_end_s", "tracklet", ["end_s"])
    op.create_index("ix_tracklet_fingerprint", "tracklet", ["fingerprint"])
    op.create_index("ix_tracklet_run_uuid", "tracklet", ["run_uuid"])
    op.create_index("ix_tracklet_start_s", "tracklet", ["start_s"])
    op.create_index("ix_tracklet_track_uuid", "tracklet", ["track_uuid"])


def _create_exemplar() -> None:
    op.create_table(
        "exemplar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tracklet_uuid", sa.String(length=64), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("frame_index", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("crop_path", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("part_count", sa.Integer(), nullable=False),
        sa.Column("part_dim", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.LargeBinary(), nullable=False),
        sa.Column("vector", HalfVector(), nullable=False),
        sa.Column("parts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tracklet_uuid"],
            ["tracklet.uuid"],
            name="fk_exemplar_tracklet_uuid",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_exemplar"),
        sa.UniqueConstraint("crop_path", name="uq_exemplar_crop_path"),
        sa.UniqueConstraint("tracklet_uuid", "rank", name="uq_exemplar_tracklet_uuid_rank"),
        sqlite_autoincrement=True,
    )


_WHY = (
    "probability",
    "global_similarity",
    "part_distance",
    "transit_s",
    "transit_expected_min_s",
    "transit_expected_max_s",
)


def _create_link() -> None:
    op.create_table(
        "link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tracklet_uuid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in _WHY),
        sa.Column("best_match_tracklet", sa.String(length=64), nullable=True),
        sa.Column("rejected_identity_id", sa.Integer(), nullable=True),
        sa.Column("rejected_probability", sa.Double(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["best_match_tracklet"],
            ["tracklet.uuid"],
            name="fk_link_best_match_tracklet",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_link_identity_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["rejected_identity_id"],
            ["identity.id"],
            name="fk_link_rejected_identity_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["tracklet_uuid"], ["tracklet.uuid"], name="fk_link_tracklet_uuid", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_link"),
        sa.UniqueConstraint("tracklet_uuid", "revision", name="uq_link_tracklet_uuid_revision"),
        sqlite_autoincrement=True,
    )
    _index_link()


def _index_link() -> None:
    op.create_index("ix_link_best_match_tracklet", "link", ["best_match_tracklet"])
    op.create_index("ix_link_identity_id", "link", ["identity_id"])
    op.create_index("ix_link_rejected_identity_id", "link", ["rejected_identity_id"])
    op.create_index(
        "uq_link_current",
        "link",
        ["tracklet_uuid"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )


def _create_operator_decision() -> None:
    op.create_table(
        "operator_decision",
        sa.Column("uuid_a", sa.String(length=64), nullable=False),
        sa.Column("uuid_b", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["uuid_a"], ["tracklet.uuid"], name="fk_operator_decision_uuid_a", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["uuid_b"], ["tracklet.uuid"], name="fk_operator_decision_uuid_b", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uuid_a", "uuid_b", name="pk_operator_decision"),
    )
    op.create_index("ix_operator_decision_uuid_b", "operator_decision", ["uuid_b"])
