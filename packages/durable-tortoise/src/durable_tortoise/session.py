"""Runs statements on the host's Tortoise connection: in its pool, in its transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Final, Literal

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext

from durable_core.drive import entered
from durable_sql.after_commit import call_after_commit
from durable_sql.dialect import Dialect
from durable_sql.schema.layouts import layout_of
from durable_sql.session import Row, Statement
from durable_tortoise.contexts import Home
from durable_tortoise.dialects import dialect_of, forgets_inserts
from durable_tortoise.driver_errors import translated
from durable_tortoise.sqlite_connections import reached
from durable_tortoise.transactions import after_commit, one_connection, transaction_block

__all__ = ["TortoiseSession"]

_BACK_OFF_S: Final = 0.005


class TortoiseSession:
    """A guest of a Tortoise connection. Inside the host's ``in_transaction()`` it is part of that."""

    def __init__(self, connection_name: str = "default", *, context: TortoiseContext | None = None) -> None:
        self._home = Home(connection_name, context)
        self._kept: ContextVar[BaseDBAsyncClient | None] = ContextVar("durable_kept_connection", default=None)

    @property
    def blocking(self) -> Literal[False]:
        """Always False: Tortoise really awaits."""
        return False

    @property
    def dialect(self) -> Dialect:
        """The connection's dialect, with its driver's placeholders; `ConfigurationError` before `Tortoise.init`."""
        return dialect_of(self._home.client())

    @property
    def raw(self) -> BaseDBAsyncClient:
        """The Tortoise connection, which is the open transaction where there is one."""
        return self._home.client()

    @property
    def schema_help(self) -> str:
        """The commands of either migration tool, and the adapter's helper."""
        return (
            "run `aerich migrate` and `aerich upgrade`, where an app of Aerich's has the durable models, or "
            "`tortoise migrate`, where the app that has them names `durable_tortoise.migrations`, or call "
            "`await ensure_tortoise_schema(connection)` from a migration"
        )

    def in_transaction(self) -> bool:
        """Whether a transaction is open in this task, the host's or ours."""
        return self._home.transaction() is not None

    def transaction(self, *, read_committed: bool = False) -> AbstractAsyncContextManager[None]:
        """One transaction around the block; a savepoint if one is open already."""
        return transaction_block(self._home, self.dialect, read_committed=read_committed)

    async def execute(self, statement: Statement) -> int:
        """Run *statement*; return the affected rows as the driver counts them."""
        async with self._client() as client:
            if forgets_inserts(client) and statement.sql.startswith("INSERT"):
                return len(await client.execute_query_dict(f"{statement.sql} RETURNING 1", list(statement.params)))
            count, _ = await client.execute_query(statement.sql, list(statement.params) or None)
            return count

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run *statement*; return its rows by column name."""
        async with self._client() as client:
            # Not `execute_query`: over asyncpg that throws away what RETURNING returned.
            return await client.execute_query_dict(statement.sql, list(statement.params) or None)

    def connected(self) -> AbstractAsyncContextManager[None]:
        """Keep one connection for the block, where locks belong to a connection."""
        return self._connected()

    def afresh(self) -> AbstractAsyncContextManager[None]:
        """A block of a task that is ours: in the host's context, and in no transaction that the task was born into."""
        return entered(self._home.afresh())

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* after the open transaction's commit; now where none is open."""
        transaction = self._home.transaction()
        if transaction is None:
            call_after_commit(callback)
        else:
            after_commit(transaction, callback)

    async def back_off(self, attempt: int) -> None:
        """Sleep some milliseconds times *attempt*."""
        await asyncio.sleep(_BACK_OFF_S * attempt * random.uniform(0.5, 1.5))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[BaseDBAsyncClient]:
        with self._home.entered():
            client = self._home.transaction() or self._kept.get() or self._home.client()
            with translated(dialect_of(client)):
                await reached(client)
                yield client

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        # Only where locks belong to a connection: in a pool of one it would wait for a second for ever.
        if self.in_transaction() or layout_of(self.dialect).connection_lock is None:
            yield
            return
        with self._home.entered():
            async with one_connection(self._home, self.dialect) as client:
                before = self._kept.set(client)
                try:
                    yield
                finally:
                    self._kept.reset(before)
