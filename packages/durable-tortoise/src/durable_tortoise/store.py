"""The durable store of a Tortoise application."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal

from tortoise.context import TortoiseContext

from durable_core.codec import Codec
from durable_sql.store import SqlStateStore
from durable_tortoise.session import TortoiseSession

__all__ = ["TortoiseStateStore"]


class TortoiseStateStore(SqlStateStore):
    """Keeps durable runs in the application's own database, on its connections and inside its transactions.

    *connection_name* is one of those that `Tortoise.init` was given: SQLite, PostgreSQL (asyncpg or psycopg), MySQL or
    MariaDB (asyncmy or aiomysql). *codec* turns payloads into text, for encryption or compression. A program with
    several Tortoise contexts says by *context* which one it means; otherwise it is the one that is current, and in
    tasks and threads that have none the one that was current when the store was made or first used.
    """

    def __init__(
        self, connection_name: str = "default", *, codec: Codec | None = None, context: TortoiseContext | None = None
    ) -> None:
        self._tortoise = TortoiseSession(connection_name, context=context)
        super().__init__(self._tortoise, codec)

    @property
    def blocking(self) -> Literal[False]:
        """Always False: Tortoise really awaits."""
        return False

    def connected(self) -> AbstractAsyncContextManager[None]:
        # The pool is Tortoise's, and keeping one of its few connections would keep it from others.
        return self._tortoise.afresh()
