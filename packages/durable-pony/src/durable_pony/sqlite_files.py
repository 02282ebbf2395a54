"""What SQLite needs of us: a file that threads can share, and a journal that lets readers read."""

from __future__ import annotations

import logging

from pony.orm import Database

from durable_core.errors import ConfigurationError, StoreError
from durable_pony.driver_errors import translated
from durable_pony.sqlite_writers import one_writer
from durable_pony.transactions import own_session
from durable_sql.dialect import Dialect

__all__ = ["prefer_wal", "refuse_memory"]

_log = logging.getLogger("durable")


def refuse_memory(database: Database) -> None:
    """Raise `ConfigurationError` for a database that is not a file."""
    pool = database.provider.pool
    if pool.is_shared_memory_db or pool.filename == ":memory:":
        raise ConfigurationError(
            "the SQLite database lives in memory, where nothing outlives the process and threads cannot share it: "
            "bind to a file, or use InMemoryStateStore for tests"
        )


def prefer_wal(database: Database, dialect: Dialect) -> None:
    """Let readers read while one writes, where the host has not decided otherwise by an ``on_connect`` function.

    The journal mode stays with the file. Not getting it (others have the file open in another mode) costs speed, not
    correctness.
    """
    # Pony has no public way to ask for those functions.
    if any(provider in (None, "sqlite") for _, provider in database._on_connect_funcs):  # noqa: SLF001
        return
    try:
        with one_writer(database.provider), translated(dialect), own_session(database, dialect) as session:
            if session.run("PRAGMA journal_mode", begins=False).fetchone()[0].lower() != "wal":
                session.run("PRAGMA journal_mode = wal", begins=False)
    except StoreError as error:
        _log.info("durable: the journal mode of %s stays as it is: %s", database.provider.pool.filename, error)
