"""The durable store of a Peewee application."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal

import peewee

from durable_core.codec import Codec
from durable_peewee.session import PeeweeSession
from durable_sql.store import SqlStateStore

__all__ = ["PeeweeStateStore"]


class PeeweeStateStore(SqlStateStore):
    """Keeps durable runs in the application's own database, on its connections and inside its transactions.

    *db* is a SqliteDatabase (a file), PostgresqlDatabase or MySQLDatabase, pooled or not, or a DatabaseProxy that is
    initialised before the first call. *codec* turns payloads into text, for encryption or compression. A SQLite file
    is put into WAL mode and given a busy timeout where the host has set neither; ``sqlite_pragmas=False`` leaves
    both alone.
    """

    def __init__(
        self, db: peewee.Database | peewee.Proxy, *, codec: Codec | None = None, sqlite_pragmas: bool = True
    ) -> None:
        self._peewee = PeeweeSession(db, sqlite_pragmas=sqlite_pragmas)
        super().__init__(self._peewee, codec)

    @property
    def blocking(self) -> Literal[True]:
        """Always True: Peewee works in the calling thread, connection and transaction."""
        return True

    def connected(self) -> AbstractAsyncContextManager[None]:
        # A pool of three serves ten threads only if each call gives its connection back.
        return self._peewee.left_closed() if self._peewee.is_pooled else self._peewee.connected()
