"""A transaction of ours, or a savepoint in the host's, on the host's connection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import peewee

from durable_peewee.connections import drop
from durable_peewee.driver_errors import passing_trouble, translated
from durable_sql.dialect import Dialect

__all__ = ["begun", "is_manual", "transaction_block"]

_log = logging.getLogger("durable")


@contextmanager
def transaction_block(database: peewee.Database, dialect: Dialect, *, read_committed: bool) -> Iterator[None]:
    """Commit when the block ends well, roll back on any exception, which passes as it is.

    But for what the host's own statements met because of others: that is `StoreContention` or `StoreUnavailable`, as
    it is when ours meet it, so that whoever can run the block again knows to.
    A rollback that fails does not hide what led to it. A connection that would not roll back is thrown away, unless
    it is in the middle of the host's transaction.
    """
    block = _block(database, dialect, read_committed=read_committed)
    with translated(dialect):
        block.__enter__()
    try:
        yield
    except BaseException as error:
        try:
            block.__exit__(type(error), error, error.__traceback__)
        except Exception as failed:  # noqa: BLE001 - whatever it was, the first error is the one to tell
            _log.debug("durable: rolling back failed as well: %s", failed)
            drop(database, reopen=True)
        trouble = passing_trouble(error, dialect)
        if trouble is not None:
            raise trouble from error
        raise
    else:
        with translated(dialect):
            block.__exit__(None, None, None)


def begun(database: peewee.Database) -> bool:
    """Whether a transaction is open, also one that the host began by hand in ``manual_commit()``."""
    if not database.in_transaction():
        return False
    if is_manual(database):
        return _is_open(database.connection())
    return True


def _block(database: peewee.Database, dialect: Dialect, *, read_committed: bool) -> AbstractContextManager[Any]:
    if not database.in_transaction():
        return database.atomic(*_begin_arguments(dialect, read_committed=read_committed))
    if not is_manual(database):
        return database.atomic()
    if begun(database):
        return database.savepoint()
    return _by_hand(database, _begin_arguments(dialect, read_committed=read_committed))


def _begin_arguments(dialect: Dialect, *, read_committed: bool) -> tuple[str, ...]:
    if dialect.name == "sqlite":
        return ("IMMEDIATE",)
    return ("READ COMMITTED",) if read_committed and dialect.name == "mysql" else ()


@contextmanager
def _by_hand(database: peewee.Database, arguments: tuple[str, ...]) -> Iterator[None]:
    database.begin(*arguments)
    try:
        yield
    except BaseException:
        database.rollback()
        raise
    database.commit()


def is_manual(database: peewee.Database) -> bool:
    """Whether the host is inside ``manual_commit()``."""
    # Peewee refuses atomic() inside manual_commit(), and has no other name for that block.
    return isinstance(database.top_transaction(), type(database.manual_commit()))


def _is_open(connection: Any) -> bool:
    """Whether the driver's connection has a transaction open."""
    if hasattr(connection, "in_transaction"):  # sqlite3
        return bool(connection.in_transaction)
    if hasattr(connection, "info") and hasattr(connection.info, "transaction_status"):  # psycopg 2 and 3
        return int(connection.info.transaction_status) != 0
    return bool(getattr(connection, "server_status", 1) & 1)  # PyMySQL: SERVER_STATUS_IN_TRANS
