"""Which dialect a Peewee database speaks."""

from __future__ import annotations

import peewee

from durable_core.errors import ConfigurationError
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE, Dialect

__all__ = ["dialect_of", "unwrapped"]


def unwrapped(database: peewee.Database | peewee.Proxy) -> peewee.Database:
    """The database behind a `DatabaseProxy`; raises `ConfigurationError` while there is none."""
    while isinstance(database, peewee.Proxy):
        if database.obj is None:
            raise ConfigurationError(
                "the DatabaseProxy has no database yet: call its initialize(database) before durable is used"
            )
        database = database.obj
    return database


def dialect_of(database: peewee.Database | peewee.Proxy) -> Dialect:
    """The dialect of *database*, or of what stands behind a proxy."""
    database = unwrapped(database)
    for kind, dialect in (
        (peewee.SqliteDatabase, SQLITE),
        (peewee.PostgresqlDatabase, POSTGRES),
        (peewee.MySQLDatabase, MYSQL),
    ):
        if isinstance(database, kind):
            return dialect
    raise ConfigurationError(
        f"durable does not know {type(database).__name__}: use a SqliteDatabase, PostgresqlDatabase or MySQLDatabase"
    )
