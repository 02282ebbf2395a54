"""What a driver's error means, whichever driver it came from: the one place where errors are translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tortoise.exceptions import BaseORMException, DBConnectionError

from durable_core.errors import StoreContention, StoreError, StoreUnavailable
from durable_sql.dialect import Dialect
from durable_sql.error_kinds import ErrorKind, as_store_error, kind_of, lost_or_refused

__all__ = ["passing_trouble", "translated"]

#: Tortoise wraps some of a driver's errors and lets others through, and none of the drivers need be installed.
_SOURCES: Final = frozenset(
    {"tortoise", "sqlite3", "asyncpg", "psycopg", "psycopg_pool", "asyncmy", "aiomysql", "pymysql"}
)


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Raise `StoreError` and its kinds for what a driver raises in the block, with the driver's error as the cause."""
    try:
        yield
    except Exception as error:
        # Sockets and pools raise Python's own errors, which mean the connection when a statement of ours meets them.
        if not (_is_of_database(error) or _is_of_connection(error)):
            raise
        raise as_store_error(_beneath(error), _kind_of(error, dialect)) from error


def passing_trouble(error: BaseException, dialect: Dialect) -> StoreError | None:
    """What the host's own statement met when others or the network were in its way; None where it is to blame."""
    if not _is_of_database(error):
        return None
    kind = _kind_of(error, dialect)
    return as_store_error(_beneath(error), kind) if kind in (StoreContention, StoreUnavailable) else None


def _is_of_database(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in _SOURCES for kind in type(error).__mro__)


def _is_of_connection(error: BaseException) -> bool:
    if isinstance(error, OSError | EOFError):  # TimeoutError is an OSError
        return True
    # aiosqlite: "no active connection", "Connection closed". The pools of MySQL: "... after closing pool".
    return type(error) in (ValueError, RuntimeError) and any(word in str(error) for word in ("onnection", " pool"))


def _kind_of(error: BaseException, dialect: Dialect) -> ErrorKind:
    if isinstance(error, DBConnectionError) or not _is_of_database(error):
        return StoreUnavailable
    driver_error = _beneath(error)
    return kind_of(driver_error, dialect, uncoded=lost_or_refused(driver_error))


def _beneath(error: BaseException) -> BaseException:
    """The driver's own error, under Tortoise's wrapper."""
    while isinstance(error, BaseORMException) and error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return error
