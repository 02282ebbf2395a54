"""Open the database by its address, and bring its tables up to date."""

from __future__ import annotations

from pathlib import Path

from peewee import Database
from playhouse import db_url
from playhouse.migrations import Runner

from audit.models import db

__all__ = ["migrate", "open_database"]

_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(address: str) -> Database:
    """The Peewee database at *address*, which the models use from now on.

    ``sqlite:///audit.db``, ``postgresql://user@host/name`` (``?prefer_psycopg3=true`` for psycopg 3) or
    ``mysql://user@host/name``. Raises `ValueError` or `RuntimeError` for an address that is none of these.
    """
    database: Database = db_url.connect(address)
    db.initialize(database)
    return database


def migrate(database: Database) -> None:
    """Apply the migrations that this database has not seen yet. One that was killed half-way is applied again."""
    Runner(database, str(_MIGRATIONS), table_name="audit_migration").up()
