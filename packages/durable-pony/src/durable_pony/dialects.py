"""Which dialect a Pony database speaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pony.orm import Database

from durable_core.errors import ConfigurationError
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE, Dialect

__all__ = ["dialect_of"]

_DIALECTS: Final = {
    "SQLite": SQLITE,
    "PostgreSQL": POSTGRES,
    # Pony connects with FOUND_ROWS, whatever flags the host gives it.
    "MySQL": replace(MYSQL, counts_changed_rows=False),
}


def dialect_of(database: Database) -> Dialect:
    """The dialect of *database*; `ConfigurationError` while it is not bound, or where there is none of ours."""
    provider = database.provider
    if provider is None:
        raise ConfigurationError("the Pony database is not bound yet: call its bind(...) before durable is used")
    if provider.dialect not in _DIALECTS:
        raise ConfigurationError(
            f"durable does not know the database {provider.dialect}: use SQLite, PostgreSQL, MySQL or MariaDB"
        )
    return _DIALECTS[provider.dialect]
