"""Runs statements on the host's Pony database: on its connection, in its ``db_session``."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal

from pony.orm import Database

from durable_core.drive import entered
from durable_core.errors import BlockingStoreOnEventLoop
from durable_pony.caches import is_open, joined
from durable_pony.dialects import dialect_of
from durable_pony.driver_errors import translated
from durable_pony.mysql_charset import check_charset
from durable_pony.sqlite_files import prefer_wal, refuse_memory
from durable_pony.sqlite_writers import one_writer
from durable_pony.transactions import own_session, transaction_block
from durable_sql.after_commit import call_after_commit
from durable_sql.dialect import Dialect
from durable_sql.session import Row, Statement

__all__ = ["PonySession"]

_BACK_OFF_S: Final = 0.005
_IDLE_S: Final = 30


class PonySession:
    """A guest of a Pony database.

    Inside a ``db_session`` it is part of that, and never ends it; outside it opens one for a call. The connection is
    the one that Pony keeps for the thread.
    """

    def __init__(self, database: Database, *, sqlite_pragmas: bool = True) -> None:
        self._database = database
        self._sqlite_pragmas = sqlite_pragmas
        self._looked = False
        self._here = _Here()

    @property
    def blocking(self) -> Literal[True]:
        """Always True: Pony works in the calling thread."""
        return True

    @property
    def dialect(self) -> Dialect:
        """The database's dialect; `ConfigurationError` while it is not bound."""
        return dialect_of(self._database)

    @property
    def raw(self) -> Database:
        """The Pony database itself."""
        return self._database

    @property
    def schema_help(self) -> str:
        """The adapter's helper."""
        return "call `ensure_pony_schema(db)` from a migration"

    def in_transaction(self) -> bool:
        """Whether a ``db_session`` is open on this thread: it decides over what is written in it."""
        return is_open(self._database)

    def transaction(self, *, read_committed: bool = False) -> AbstractAsyncContextManager[None]:
        """One transaction around the block; a savepoint if a session is open already."""
        return entered(self._transaction(read_committed=read_committed))

    async def execute(self, statement: Statement) -> int:
        """Run *statement*; return the affected rows, which Pony has the drivers count as matched."""
        with self._ran(statement) as cursor:
            return int(cursor.rowcount)

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run *statement*; return its rows by column name."""
        with self._ran(statement) as cursor:
            rows = cursor.fetchall()
            names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def connected(self) -> AbstractAsyncContextManager[None]:
        """Keep one connection for the block, and leave none open on this thread that was not open before."""
        return entered(self._connected())

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* after the commit of the open session; now where none is open."""
        if is_open(self._database):
            joined(self._database).call_after_commit(callback)
        else:
            call_after_commit(callback)

    async def back_off(self, attempt: int) -> None:
        """Sleep some milliseconds times *attempt*."""
        time.sleep(_BACK_OFF_S * attempt * random.uniform(0.5, 1.5))  # noqa: ASYNC251 - what blocks is the session

    @contextmanager
    def _ran(self, statement: Statement) -> Iterator[Any]:
        with self._visit() as dialect:
            reads = statement.sql.startswith("SELECT")
            if is_open(self._database):
                session = joined(self._database)
                session.settle()  # whose errors are the host's own
                with translated(dialect):
                    yield session.run(statement.sql, statement.params, begins=not reads)
                return
            funnel = one_writer(self._database.provider) if dialect.name == "sqlite" and not reads else nullcontext()
            with funnel, translated(dialect), own_session(self._database, dialect) as session:
                yield session.run(statement.sql, statement.params, begins=False)

    @contextmanager
    def _transaction(self, *, read_committed: bool) -> Iterator[None]:
        with self._visit() as dialect, transaction_block(self._database, dialect, read_committed=read_committed):
            yield

    @contextmanager
    def _visit(self) -> Iterator[Dialect]:
        """A call: on no event loop, on a live connection, and on a database that serves."""
        _refuse_event_loop()
        dialect = self.dialect
        if is_open(self._database):
            self._look_once(dialect)
            yield dialect
            return
        with self._connected():
            self._wake(dialect)
            self._look_once(dialect)
            yield dialect

    @contextmanager
    def _connected(self) -> Iterator[None]:
        database, here = self._database, self._here
        if here.kept or is_open(database) or database.provider.pool.con is not None:
            yield
            return
        here.kept = True
        try:
            yield
        finally:
            here.kept = False
            if not is_open(database):
                database.disconnect()

    def _look_once(self, dialect: Dialect) -> None:
        if self._looked:
            return
        database = self._database
        if dialect.name == "mysql":
            check_charset(database, dialect)
        elif dialect.name == "sqlite":
            refuse_memory(database)
            if is_open(database):
                return  # a journal cannot be changed now
            if self._sqlite_pragmas:
                prefer_wal(database, dialect)
        self._looked = True

    def _wake(self, dialect: Dialect) -> None:
        """Let Pony notice that an idle connection has died, before a statement that must not run twice."""
        idle = time.monotonic() - self._here.used_at > _IDLE_S
        if idle and dialect.name != "sqlite" and self._database.provider.pool.con is not None:
            with translated(dialect), own_session(self._database, dialect) as session:
                session.run("SELECT 1", begins=False)
        self._here.used_at = time.monotonic()


class _Here(threading.local):
    """What this thread is about."""

    kept = False
    used_at = float("-inf")


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingStoreOnEventLoop(
        "a Pony store was called on a running event loop, which would stop every task on it: "
        "use AsyncDurable(offload(PonyStateStore(db)))"
    )
