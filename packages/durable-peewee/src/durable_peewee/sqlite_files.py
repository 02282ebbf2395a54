"""What SQLite needs of us: a file that threads can share, a journal that lets readers read, one writer at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import peewee

from durable_core.errors import ConfigurationError

__all__ = ["WriteFunnel", "prefer_wal", "refuse_memory"]

_log = logging.getLogger("durable")

_BUSY_TIMEOUT_S: Final = 5


def refuse_memory(database: peewee.SqliteDatabase) -> None:
    """Raise `ConfigurationError` for a database that is not a file."""
    name = str(database.database)
    if name in {"", ":memory:"} or name.startswith("file::memory:") or "mode=memory" in name:
        raise ConfigurationError(
            f"the SQLite database {name!r} lives in memory, where each thread's connection sees a database of its own "
            "and nothing outlives the process: use a file, or InMemoryStateStore for tests"
        )


def prefer_wal(database: peewee.SqliteDatabase) -> None:
    """Let readers read while one writes, and writers wait for each other, where the host has not decided otherwise.

    Needs an open connection without a transaction. The journal mode stays with the file; a host that names
    ``journal_mode`` among its pragmas keeps what it says. Not getting it (others have the file open in another mode)
    costs speed, not correctness.
    """
    # Peewee has no public way to ask for the pragmas that it was given.
    pragmas = {str(name).lower() for name, _ in getattr(database, "_pragmas", None) or ()}
    try:
        if not database.timeout and "busy_timeout" not in pragmas:
            database.timeout = _BUSY_TIMEOUT_S
        if "journal_mode" not in pragmas and str(database.pragma("journal_mode")).lower() != "wal":
            database.pragma("journal_mode", "wal")
    except peewee.PeeweeException as error:
        _log.info("durable: the journal mode of %s stays as it is: %s", database.database, error)


class WriteFunnel:
    """Lets one thread of this process at a time write to a SQLite file.

    Connections that contend for the file's lock are slower together than one of them alone. The funnel only delays:
    whoever has waited as long as SQLite itself would goes ahead and lets SQLite decide, so that a thread that waits
    for another one's transaction cannot wait for ever.
    """

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._database = database
        self._lock = _lock_of(os.path.realpath(str(database.database).removeprefix("file:").partition("?")[0]))

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Be the one who writes."""
        took = self._lock.acquire(timeout=self._database.timeout or _BUSY_TIMEOUT_S)
        try:
            yield
        finally:
            if took:
                self._lock.release()


_locks: dict[str, threading.Lock] = {}


def _lock_of(path: str) -> threading.Lock:
    return _locks.setdefault(path, threading.Lock())
