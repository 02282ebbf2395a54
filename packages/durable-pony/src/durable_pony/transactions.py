"""A session of ours, or a savepoint in the one that is open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pony.orm import Database, db_session

from durable_pony.caches import Joined, is_open, joined
from durable_pony.driver_errors import passing_trouble, translated
from durable_sql.dialect import Dialect

__all__ = ["own_session", "transaction_block"]

_log = logging.getLogger("durable")


@contextmanager
def own_session(database: Database, dialect: Dialect) -> Iterator[Joined]:
    """A ``db_session`` of ours: committed when the block ends well, rolled back on any exception.

    A rollback that fails does not hide what led to it; Pony throws that connection away.
    """
    db_session.__enter__()
    try:
        yield joined(database)
    except BaseException as error:
        try:
            db_session.__exit__(type(error), error, error.__traceback__)
        except Exception as failed:  # noqa: BLE001 - whatever it was, the first error is the one to tell
            _log.debug("durable: rolling back failed as well: %s", failed)
        raise
    with translated(dialect):
        db_session.__exit__(None, None, None)


@contextmanager
def transaction_block(database: Database, dialect: Dialect, *, read_committed: bool) -> Iterator[None]:
    """Commit when the block ends well, roll back on any exception, which passes as it is.

    But for what the host's own statements met because of others: that is `StoreContention` or `StoreUnavailable`, as
    it is when ours meet it, so that whoever can run the block again knows to.
    """
    try:
        if is_open(database):
            with joined(database).savepoint():
                yield
            return
        with own_session(database, dialect) as session:
            if read_committed and dialect.name == "mysql":
                session.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", begins=False)
            session.begin()
            with session.whole():
                yield
                session.settle()
    except Exception as error:
        trouble = passing_trouble(error, dialect)
        if trouble is not None:
            raise trouble from error
        raise
