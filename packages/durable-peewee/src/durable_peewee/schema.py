"""The durable tables from the host's own migration, and without a running application."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import peewee
from playhouse.migrations import Runner

from durable_core.drive import run_blocking
from durable_peewee.dialects import unwrapped
from durable_peewee.session import PeeweeSession
from durable_sql.schema.drop import drop_schema
from durable_sql.schema.ensure import ensure_schema

__all__ = ["MIGRATION_HISTORY", "drop_peewee_schema", "durable_migrations", "ensure_peewee_schema"]

#: The table in which `durable_migrations` keeps what it has applied: not the host's.
MIGRATION_HISTORY: Final = "durable_schema_migration"


def ensure_peewee_schema(db: peewee.Database | peewee.Proxy) -> None:
    """Create what is missing of the durable tables, columns and indexes; touch nothing else.

    Call it from a migration of yours. Inside ``db.atomic()`` it is part of that transaction on SQLite and PostgreSQL;
    MySQL would commit the transaction before it creates a table, so there something missing raises `SchemaMissing`.
    """
    run_blocking(ensure_schema(PeeweeSession(db), inside_transaction=True))


def drop_peewee_schema(db: peewee.Database | peewee.Proxy) -> None:
    """Drop the durable tables with every run in them: for the way down of a migration."""
    run_blocking(drop_schema(PeeweeSession(db)))


def durable_migrations(db: peewee.Database | peewee.Proxy) -> Runner:
    """The ``playhouse.migrations`` runner of the scripts that this package ships, with a history table of its own.

    ``durable_migrations(db).up()`` brings the tables to what this version needs; ``down()`` drops them, with every
    run in them.
    """
    return Runner(unwrapped(db), str(Path(__file__).parent / "migrations"), table_name=MIGRATION_HISTORY)
