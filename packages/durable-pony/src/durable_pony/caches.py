"""One ``db_session`` on one database, which Pony calls a session cache: what we must know of it and do in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pony.orm import Database, core

from durable_core.errors import ConfigurationError, DurableError, StoreContention
from durable_pony.attributes import forget_what_was_read
from durable_pony.dialects import dialect_of
from durable_pony.driver_errors import translated
from durable_pony.sqlite_writers import begin_writing
from durable_sql.after_commit import call_after_commit

__all__ = ["Joined", "is_open", "joined"]

_log = logging.getLogger("durable")


def is_open(database: Database) -> bool:
    """Whether a ``db_session`` is open on this thread, or Pony's interactive mode has begun something."""
    return bool(core.local.db_context_counter) or database in core.local.db2cache


def joined(database: Database) -> Joined:
    """The session that is open on this thread."""
    cache = database._get_cache()  # noqa: SLF001 - Pony's public names begin a transaction at once
    known = getattr(cache.commit, "__self__", None)
    return known if isinstance(known, Joined) else Joined(database, cache)


class Joined:
    """A session of Pony's on one database, the host's or ours, from its first use by us to its end.

    Pony tells nobody of a commit, a flush or a lost connection, so this stands in the way of all three, for this one
    session.
    """

    def __init__(self, database: Database, cache: Any) -> None:
        self._database = database
        self._dialect = dialect_of(database)
        self._cache = cache
        self._waiting: list[Callable[[], None]] = []
        self._no_commit: DurableError | None = None
        self._flushed = False
        self._savepoints = 0
        self._writing = False
        self._commit, self._flush, self._reconnect = cache.commit, cache.flush, cache.reconnect
        cache.commit, cache.flush, cache.reconnect = self._committing, self._flushing, self._reconnecting

    def run(self, sql: str, params: tuple[Any, ...] = (), *, begins: bool) -> Any:
        """Execute *sql* and return the cursor.

        *begins* makes it part of the session's transaction; without, it is so only if that has begun.
        """
        if begins:
            self.begin()
        self._writing = begins or not sql.startswith("SELECT")
        try:
            cursor = self._database._exec_sql(sql, params or None, False, begins)  # noqa: SLF001 - see joined()
        finally:
            if self._writing and self._cache.is_alive:
                forget_what_was_read(self._cache)
            self._writing = False
        return cursor

    def settle(self) -> None:
        """Write what the host has changed in its entities and not flushed, so that it goes before what we write."""
        if self._cache.is_alive and self._cache.modified:
            self.begin()
            self._cache.flush()

    def begin(self) -> None:
        """Begin the session's transaction, if it has not begun; on SQLite with the write lock."""
        cache = self._cache
        if cache.in_transaction:
            return
        if cache.db_session is not None and cache.db_session.ddl:
            cache.immediate = True
        elif self._dialect.name == "sqlite":
            with cache.flush_disabled():
                cache.immediate = False  # Pony itself would wait for other threads without end
                begin_writing(self._database.provider, cache.prepare_connection_for_query_execution())
            cache.immediate = cache.in_transaction = True
            return
        with cache.flush_disabled():
            cache.immediate = True
            cache.prepare_connection_for_query_execution()

    def call_after_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* when the session is committed; never, if it is rolled back."""
        self._waiting.append(callback)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Let nobody commit before the block has ended; raise `ConfigurationError` if somebody rolled back in it."""
        before, inside = self._no_commit, _parted("commit")
        self._no_commit = before or inside
        ended = False
        try:
            yield
            ended = True
        finally:
            if self._no_commit is inside:
                self._no_commit = before
            if ended and not self._cache.is_alive:
                self._database.rollback()  # what was written behind it
                raise _parted("rollback")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did if it raises, and only that.

        Where it changed entities Pony cannot undo that in memory; the session can then not be committed.
        """
        self.settle()
        self.begin()
        self._savepoints += 1
        name, waiting = f"durable_{self._savepoints}", len(self._waiting)
        flushed, self._flushed = self._flushed, False
        with translated(self._dialect):
            self.run(f"SAVEPOINT {name}", begins=True)
        try:
            with self.whole():
                yield
                self.settle()
            with translated(self._dialect):
                self.run(f"RELEASE SAVEPOINT {name}", begins=True)
        except BaseException:
            del self._waiting[waiting:]
            self._undo(name)
            raise
        finally:
            self._flushed = self._flushed or flushed

    def _undo(self, name: str) -> None:
        cache = self._cache
        if not cache.is_alive:
            return
        if self._flushed or cache.modified:
            self._no_commit = ConfigurationError(
                "a transaction of durable's failed inside this db_session after it had changed entities, which Pony "
                "cannot undo, so the session cannot be committed: let the error pass, or do that work in a db_session "
                "of its own"
            )
        try:
            with cache.flush_disabled():
                self.run(f"ROLLBACK TO SAVEPOINT {name}", begins=True)
        except Exception as failed:  # noqa: BLE001 - whatever it was, the first error is the one to tell
            _log.debug("durable: rolling back to a savepoint failed as well: %s", failed)
            self._no_commit = StoreContention(
                "a transaction of durable's failed inside this db_session and could not be undone alone, so the "
                "session cannot be committed: let the error pass, and run all of it again"
            )

    def _committing(self) -> None:
        if self._no_commit is not None:
            self._cache.rollback()
            raise self._no_commit
        self._commit()
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            call_after_commit(callback)

    def _flushing(self) -> None:
        self._flushed = self._flushed or (self._cache.modified and not self._cache.noflush_counter)
        self._flush()

    def _reconnecting(self, error: Exception | None) -> Any:
        # Pony forgets that a transaction was open and runs the rest of it on a new connection; and a write whose
        # answer was lost may have been done.
        if error is not None and (self._cache.in_transaction or self._writing):
            raise error
        return self._reconnect(error)


def _parted(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}() was called inside a transaction of durable's, which would part the application's rows from what "
        "durable saves with them, so nothing of it was committed: leave both to whoever opened the transaction"
    )
