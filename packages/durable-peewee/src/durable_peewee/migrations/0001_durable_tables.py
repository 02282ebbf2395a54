"""The durable tables, for `playhouse.migrations`: run it with `durable_peewee.schema.durable_migrations(db).up()`.

Or name this directory to the command, with a history table of its own beside yours:

    pwmigrate myapp.models.db up --directory .../durable_peewee/migrations --table durable_schema_migration
"""

from __future__ import annotations

from typing import Any

import peewee

from durable_peewee.schema import drop_peewee_schema, ensure_peewee_schema

__all__ = ["down", "up"]


def up(migrator: Any, db: peewee.Database) -> None:  # noqa: ARG001 - the runner passes both
    """Create what is missing of the tables."""
    ensure_peewee_schema(db)


def down(migrator: Any, db: peewee.Database) -> None:  # noqa: ARG001 - the runner passes both
    """Drop the tables, with every run in them."""
    drop_peewee_schema(db)
