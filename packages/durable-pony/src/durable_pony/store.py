"""The durable store of a Pony application."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal

from pony.orm import Database

from durable_core.codec import Codec
from durable_pony.session import PonySession
from durable_sql.store import SqlStateStore

__all__ = ["PonyStateStore"]


class PonyStateStore(SqlStateStore):
    """Keeps durable runs in the application's own database, on its connections and inside its ``db_session``.

    *db* is a Database that is bound before the first call, to SQLite (a file), PostgreSQL or MySQL; whether its
    entities are mapped makes no difference. *codec* turns payloads into text, for encryption or compression. A SQLite
    file is put into WAL mode where the host has no ``on_connect`` function for SQLite; ``sqlite_pragmas=False`` leaves
    it alone in any case.
    """

    def __init__(self, db: Database, *, codec: Codec | None = None, sqlite_pragmas: bool = True) -> None:
        self._pony = PonySession(db, sqlite_pragmas=sqlite_pragmas)
        super().__init__(self._pony, codec)

    @property
    def blocking(self) -> Literal[True]:
        """Always True: Pony works in the calling thread, connection and transaction."""
        return True

    def connected(self) -> AbstractAsyncContextManager[None]:
        return self._pony.connected()
