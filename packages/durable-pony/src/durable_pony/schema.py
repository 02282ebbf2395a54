"""The durable tables from the host's own migration, and without a running application."""

from __future__ import annotations

from pony.orm import Database

from durable_core.drive import run_blocking
from durable_pony.session import PonySession
from durable_sql.schema.ensure import ensure_schema

__all__ = ["ensure_pony_schema"]


def ensure_pony_schema(db: Database) -> None:
    """Create what is missing of the durable tables, columns and indexes; touch nothing else.

    Call it from a migration of yours, once *db* is bound. Inside a ``db_session`` it is part of that on SQLite and
    PostgreSQL; MySQL would commit the session before it creates a table, so there something missing raises
    `SchemaMissing`.
    """
    run_blocking(ensure_schema(PonySession(db), inside_transaction=True))
