"""Whether a MySQL connection can carry every text."""

from __future__ import annotations

from pony.orm import Database

from durable_core.errors import ConfigurationError
from durable_pony.caches import is_open, joined
from durable_pony.driver_errors import translated
from durable_pony.transactions import own_session
from durable_sql.dialect import Dialect

__all__ = ["check_charset"]

_CHARSETS = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results"


def check_charset(database: Database, dialect: Dialect) -> None:
    """Raise `ConfigurationError` unless the host's connections speak utf8mb4; Pony asks for utf8, which is less."""
    with translated(dialect):
        if is_open(database):
            found = joined(database).run(_CHARSETS, begins=False).fetchone()
        else:
            with own_session(database, dialect) as session:
                found = session.run(_CHARSETS, begins=False).fetchone()
    if set(found) != {"utf8mb4"}:
        raise ConfigurationError(
            f"the connection to MySQL speaks {found[1]}, in which an emoji cannot be written: give Pony the charset, "
            "db.bind(provider='mysql', charset='utf8mb4', ...)"
        )
