"""Bring the tables of an archive up to the schema of this program."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from storage.errors import StoreError
from storage.models import Base


def migrations_config() -> Config:
    """Return Alembic's settings for the migrations inside this package."""
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def is_current(connection: Connection, where: str) -> bool:
    """Say whether the archive has the newest schema.

    Raises:
        StoreError: it was written by a newer program.
    """
    script = ScriptDirectory.from_config(migrations_config())
    found = set(MigrationContext.configure(connection).get_current_heads())
    known = {revision.revision for revision in script.walk_revisions()}
    if found - known:
        raise StoreError(
            f"{where}: written by a newer version of Crosswalk (schema "
            f"{', '.join(sorted(found - known))}); upgrade Crosswalk to open it"
        )
    return found == set(script.get_heads())


def check_is_ours(connection: Connection, where: str, *, create: bool) -> None:
    """Refuse what must not be migrated; changes nothing.

    Raises:
        StoreError: the database belongs to something else, or it is empty and ``create`` is
            False.
    """
    tables = set(inspect(connection).get_table_names())
    # Read after the tables: another process may be making them, and commits both at once.
    if MigrationContext.configure(connection).get_current_heads():
        return
    taken = tables if connection.dialect.name == "sqlite" else tables & set(Base.metadata.tables)
    if taken:
        raise StoreError(f"{where}: is a database of something else, not an archive")
    if not create:
        raise StoreError(f"{where}: is empty, not an archive")


def upgrade(connection: Connection, where: str, *, create: bool) -> None:
    """Apply the missing migrations in the transaction of ``connection``.

    Raises:
        StoreError: see `check_is_ours`.
    """
    check_is_ours(connection, where, create=create)
    config = migrations_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
