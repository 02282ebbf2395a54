"""One ``db_session`` on one database, which Pony calls a session cache: what we must know of it and do in it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from pony.orm import Database, core

from durable_core.errors import ConfigurationError, StoreContention, StoreError, StoreUnavailable
from durable_pony.driver_errors import translated
from durable_sql.after_commit import call_after_commit
from durable_sql.dialect import Dialect

__all__ = ["Joined", "is_open", "joined"]

_log = logging.getLogger("durable")

_BUSY_TIMEOUT_S: Final = 5


def is_open(database: Database) -> bool:
    """Whether a ``db_session`` is open on this thread, or Pony's interactive mode has begun something."""
    return bool(core.local.db_context_counter) or database in core.local.db2cache


def joined(database: Database, dialect: Dialect) -> Joined:
    """The session that is open on this thread."""
    cache = database._get_cache()  # noqa: SLF001 - Pony's public names begin a transaction at once
    known = _known.get(cache)
    if known is None:
        known = _known[cache] = Joined(database, dialect, cache)
    return known


class Joined:
    """A session of Pony's on one database, the host's or ours, from its first use by us to its end."""

    def __init__(self, database: Database, dialect: Dialect, cache: Any) -> None:
        self._database = database
        self._dialect = dialect
        self._cache = cache
        self._waiting: list[Callable[[], None]] = []
        self._closed_to: str | None = None
        self._flushed = False
        self._savepoints = 0
        self._commit, self._flush = cache.commit, cache.flush
        # Pony tells nobody of a commit, so this stands in the way of it, for this one session.
        cache.commit = self._committing
        cache.flush = self._flushing
        cache.reconnect = self._reconnecting

    def run(self, sql: str, params: tuple[Any, ...] = (), *, begins: bool) -> Any:
        """Execute *sql* behind what the host has not flushed yet, and return the cursor.

        *begins* makes it part of the session's transaction, which is begun if it must be; without, Pony may run it on
        its own.
        """
        if begins or self._cache.modified:
            self.begin()
        self._cache.flush()
        return self._execute(sql, params, begins=begins)

    def begin(self) -> None:
        """Begin the session's transaction, if it has not begun: on SQLite with the write lock."""
        ...
