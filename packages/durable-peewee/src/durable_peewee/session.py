"""Runs statements on the host's Peewee database: on its connection, in its transaction."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Final, Literal

import peewee

from durable_core.drive import entered
from durable_core.errors import BlockingStoreOnEventLoop, ConfigurationError, StoreUnavailable
from durable_peewee.connections import drop
from durable_peewee.dialects import dialect_of, unwrapped
from durable_peewee.driver_errors import translated
from durable_peewee.sqlite_files import WriteFunnel, prefer_wal, refuse_memory
from durable_peewee.transactions import begun, is_manual, transaction_block
from durable_sql.after_commit import call_after_commit
from durable_sql.dialect import Dialect
from durable_sql.session import Row, Statement

__all__ = ["PeeweeSession"]

_BACK_OFF_S: Final = 0.005


class PeeweeSession:
    """A guest of a Peewee database.

    A connection is opened for a call when none is open, and closed again by whoever opened it. Inside the host's
    transaction its connection is never touched.
    """

    def __init__(self, database: peewee.Database | peewee.Proxy, *, sqlite_pragmas: bool = True) -> None:
        self._given = database
        self._sqlite_pragmas = sqlite_pragmas
        self._known: _Host | None = None
        self._here = _Here()

    @property
    def blocking(self) -> Literal[True]:
        """Always True: Peewee works in the calling thread."""
        return True

    @property
    def dialect(self) -> Dialect:
        """The database's dialect; `ConfigurationError` while a proxy or the database is not initialised."""
        return self._host().dialect

    @property
    def raw(self) -> peewee.Database:
        """The Peewee database itself, whatever proxy it came in."""
        return self._host().database

    @property
    def schema_help(self) -> str:
        """The adapter's helper and its migrations."""
        return "call `ensure_peewee_schema(db)` from a migration, run `durable_migrations(db).up()`"

    def in_transaction(self) -> bool:
        """Whether a transaction, or the host's ``manual_commit()``, is open on this thread."""
        return bool(self._host().database.in_transaction())

    def transaction(self, *, read_committed: bool = False) -> AbstractAsyncContextManager[None]:
        """One transaction around the block; a savepoint if one is open already."""
        return entered(self._transaction(read_committed=read_committed))

    async def execute(self, statement: Statement) -> int:
        """Run *statement*; return the affected rows as the driver counts them."""
        with self._connection(), self._writing(statement):
            host = self._host()
            with translated(host.dialect):
                return int(host.database.execute_sql(statement.sql, statement.params).rowcount)

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run *statement*; return its rows by column name."""
        with self._connection(), self._writing(statement):
            host = self._host()
            # Peewee translates what executing raises, but not what fetching does.
            with translated(host.dialect), peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                cursor = host.database.execute_sql(statement.sql, statement.params)
                rows = cursor.fetchall()
                names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def connected(self) -> AbstractAsyncContextManager[None]:
        """Keep one connection for the block, and leave none open on this thread that was not open before."""
        return entered(self._connected(hold=True))

    def left_closed(self) -> AbstractAsyncContextManager[None]:
        """The same without keeping a connection meanwhile."""
        return entered(self._connected(hold=False))

    @property
    def is_pooled(self) -> bool:
        """Whether connections are lent from a pool, so that keeping one keeps it from others."""
        return hasattr(self._host().database, "manual_close")

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* after the open transaction's commit; now where none is open, or Peewee cannot tell when."""
        database = self._host().database
        if is_manual(database):
            call_after_commit(callback)
        else:
            database.after_commit(lambda: call_after_commit(callback))

    async def back_off(self, attempt: int) -> None:
        """Sleep some milliseconds times *attempt*."""
        time.sleep(_BACK_OFF_S * attempt * random.uniform(0.5, 1.5))  # noqa: ASYNC251 - what blocks is the session

    @contextmanager
    def _connection(self) -> Iterator[None]:
        _refuse_event_loop()
        host = self._host()
        database = host.database
        if database.in_transaction():
            yield
            return
        opened = _opened(host)
        try:
            if self._sqlite_pragmas:
                host.prepare()
            yield
        except StoreUnavailable:
            drop(database, reopen=not opened)
            raise
        finally:
            if opened and not self._here.holding:
                with suppress(peewee.PeeweeException):
                    database.close()

    @contextmanager
    def _transaction(self, *, read_committed: bool) -> Iterator[None]:
        with self._connection():
            host = self._host()
            funnel = nullcontext() if begun(host.database) else host.funnel()
            with funnel, transaction_block(host.database, host.dialect, read_committed=read_committed):
                yield

    def _writing(self, statement: Statement) -> AbstractContextManager[None]:
        host = self._host()
        if host.database.in_transaction() or statement.sql.startswith("SELECT"):
            return nullcontext()
        return host.funnel()

    @contextmanager
    def _connected(self, *, hold: bool) -> Iterator[None]:
        database = self._host().database
        if database.in_transaction():
            yield  # the host's connection, and its transaction: both are kept by whoever opened them
            return
        held_before = self._here.holding
        found_open = not database.is_closed()
        if hold and not found_open:
            # Now, and not with the first call: Peewee opens connections one after the other, and a renewal of leases
            # that had to queue behind those of many turns would come too late.
            _refuse_event_loop()
            _opened(self._host())
        self._here.holding = held_before or hold
        try:
            yield
        finally:
            self._here.holding = held_before
            if not (held_before or found_open or database.in_transaction()):
                with suppress(peewee.PeeweeException):
                    database.close()

    def _host(self) -> _Host:
        database = unwrapped(self._given)
        if self._known is None or self._known.database is not database or self._known.name != database.database:
            self._known = _Host(database)
        return self._known


class _Here(threading.local):
    """What this thread is about."""

    holding = False


class _Host:
    """The database as it is now: a proxy may get another, and a deferred one its name."""

    def __init__(self, database: peewee.Database) -> None:
        self.database = database
        self.name = database.database
        self.dialect = dialect_of(database)
        if database.deferred:
            raise ConfigurationError("the database has no name yet: call its init(...) before durable is used")
        if hasattr(database, "aexecute"):
            raise ConfigurationError(
                f"{type(database).__name__} is Peewee's asyncio database: give durable the plain one, "
                "and in an asyncio application use AsyncDurable(offload(PeeweeStateStore(db)))"
            )
        self._funnel: WriteFunnel | None = None
        self._unprepared: peewee.SqliteDatabase | None = None
        if isinstance(database, peewee.SqliteDatabase):
            refuse_memory(database)
            self._funnel = WriteFunnel(database)
            self._unprepared = database

    def funnel(self) -> AbstractContextManager[None]:
        """Be the one thread of this process that writes, where that is quicker."""
        return nullcontext() if self._funnel is None else self._funnel.passed()

    def prepare(self) -> None:
        """See to a SQLite file's journal, once."""
        if self._unprepared is not None:
            database, self._unprepared = self._unprepared, None
            prefer_wal(database)


def _opened(host: _Host) -> bool:
    """Open a connection on this thread if there is none; tell whether it did."""
    if not host.database.is_closed():
        return False  # connect() would say the same, but only when no other thread is opening one
    with translated(host.dialect):
        return bool(host.database.connect(reuse_if_open=True))


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingStoreOnEventLoop(
        "a Peewee store was called on a running event loop, which would stop every task on it: "
        "use AsyncDurable(offload(PeeweeStateStore(db)))"
    )
