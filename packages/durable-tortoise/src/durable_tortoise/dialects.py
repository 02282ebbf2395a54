"""Which dialect a Tortoise connection speaks, and how its driver wants it written."""

from __future__ import annotations

from tortoise.backends.base.client import BaseDBAsyncClient

from durable_core.errors import ConfigurationError
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE, Dialect

__all__ = ["dialect_of", "forgets_inserts"]


def _dollar(position: int) -> str:
    return f"${position}"


_DIALECTS = {one.name: one for one in (SQLITE, POSTGRES, MYSQL)}
_ASYNCPG = POSTGRES.with_placeholder(_dollar)


def dialect_of(client: BaseDBAsyncClient) -> Dialect:
    """The dialect of *client*; `ConfigurationError` where there is none of ours."""
    name = client.capabilities.dialect
    if name not in _DIALECTS:
        raise ConfigurationError(
            f"durable does not know the database {name!r} behind the connection {client.connection_name!r}: "
            "use SQLite, PostgreSQL, MySQL or MariaDB"
        )
    return _ASYNCPG if _is_asyncpg(client) else _DIALECTS[name]


def forgets_inserts(client: BaseDBAsyncClient) -> bool:
    """Whether Tortoise reports 0 rows for whatever an INSERT did."""
    return _is_asyncpg(client)  # it reads the 0 of "INSERT 0 1", which is an object id


def _is_asyncpg(client: BaseDBAsyncClient) -> bool:
    # By name, for the driver need not be there.
    return any(kind.__module__ == "tortoise.backends.asyncpg.client" for kind in type(client).__mro__)
