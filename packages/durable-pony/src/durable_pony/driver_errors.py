"""What a driver's error means, whichever driver it came from: the one place where errors are translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pony.orm import core, dbapiprovider

from durable_core.errors import DurableError, StoreContention, StoreError, StoreUnavailable
from durable_sql.dialect import Dialect
from durable_sql.error_kinds import ErrorKind, as_store_error, kind_of, lost_or_refused

__all__ = ["passing_trouble", "translated"]

#: Pony wraps what executing raises, but not what fetching does, and none of the drivers need be installed.
_DRIVERS: Final = frozenset({"sqlite3", "psycopg2", "pymysql", "MySQLdb"})


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Raise `StoreError` and its kinds for what a driver raises in the block, with the driver's error as the cause."""
    try:
        yield
    except Exception as error:
        if not _is_of_database(error):
            raise
        beneath = _beneath(error)
        if isinstance(beneath, DurableError):  # ours, raised in the way of a commit of Pony's
            raise beneath from None
        raise _told(beneath, _kind_of(error, dialect)) from error


def passing_trouble(error: BaseException, dialect: Dialect) -> StoreError | None:
    """What the host's own statement met when others or the network were in its way; None where it is to blame."""
    if not _is_of_database(error):
        return None
    beneath = _beneath(error)
    if isinstance(beneath, DurableError):
        return beneath if isinstance(beneath, StoreError) else None
    kind = _kind_of(error, dialect)
    return _told(beneath, kind) if kind in (StoreContention, StoreUnavailable) else None


def _told(error: BaseException, kind: ErrorKind) -> StoreError:
    told = as_store_error(error, kind)
    # Where Pony looks before it repeats a function under ``@db_session(retry=...)``.
    told.should_retry = isinstance(told, StoreContention)  # type: ignore[attr-defined]
    return told


def _is_of_database(error: BaseException) -> bool:
    if isinstance(error, dbapiprovider.DBException | core.TransactionError):
        return True
    if isinstance(error, OSError):  # Pony's own "Database file is not found", and a socket's errors
        return True
    return any(kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


def _kind_of(error: BaseException, dialect: Dialect) -> ErrorKind:
    driver_error = _beneath(error)
    if isinstance(driver_error, core.IsolationError):
        return StoreContention  # what an entity was loaded with is no longer what the row holds
    if isinstance(driver_error, core.ConnectionClosedError | OSError):
        return StoreUnavailable
    if isinstance(driver_error, core.TransactionError):
        return StoreError
    return kind_of(driver_error, dialect, uncoded=lost_or_refused(driver_error))


def _beneath(error: BaseException) -> BaseException:
    """The driver's own error, under however many of Pony's wrappers."""
    while True:
        inner = getattr(error, "original_exc", None)
        if inner is None and (collected := getattr(error, "exceptions", None)):
            inner = collected[0][1]  # a commit or rollback of several databases
        if not isinstance(inner, BaseException):
            return error
        error = inner
