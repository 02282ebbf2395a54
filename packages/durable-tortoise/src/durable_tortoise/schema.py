"""The durable tables from the host's own migration, and without a running application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tortoise.backends.base.client import BaseDBAsyncClient

from durable_sql.schema.drop import drop_schema
from durable_sql.schema.ensure import ensure_schema
from durable_tortoise.contexts import Home
from durable_tortoise.session import TortoiseSession

__all__ = ["drop_tortoise_schema", "ensure_tortoise_schema"]


async def ensure_tortoise_schema(connection: BaseDBAsyncClient) -> None:
    """Create what is missing of the durable tables, columns and indexes; touch nothing else.

    Call it from a migration of yours, with the connection that it is given. Inside a transaction it is part of that
    on SQLite and PostgreSQL; MySQL would commit the transaction before it creates a table, so there something missing
    raises `SchemaMissing`: give a migration of Aerich's ``RUN_IN_TRANSACTION = False``.
    """
    with _on(connection) as session:
        await ensure_schema(session, inside_transaction=True)


async def drop_tortoise_schema(connection: BaseDBAsyncClient) -> None:
    """Drop the durable tables with every run in them: for the way down of a migration."""
    with _on(connection) as session:
        await drop_schema(session)


@contextmanager
def _on(connection: BaseDBAsyncClient) -> Iterator[TortoiseSession]:
    name = connection.connection_name
    # The very connection that we are given: a migration may hold a transaction that its task does not know of.
    with Home(name, None).using(connection):
        yield TortoiseSession(name)
