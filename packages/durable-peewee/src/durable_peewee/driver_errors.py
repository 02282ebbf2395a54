"""What a driver's error means, whichever driver it came from: the one place where errors are translated."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import peewee
from playhouse.pool import MaxConnectionsExceeded

from durable_core.errors import SchemaMissing, StoreContention, StoreError, StoreUnavailable
from durable_sql.dialect import Dialect
from durable_sql.session import DuplicateKey

__all__ = ["passing_trouble", "translated"]

_Kind = Callable[[str], StoreError]

#: PostgreSQL, by SQLSTATE.
_STATES: Final[dict[str, _Kind]] = {
    **dict.fromkeys(("40001", "40P01", "55P03"), StoreContention),
    **dict.fromkeys(("42P01", "42703", "3F000"), SchemaMissing),
    **dict.fromkeys(("57P01", "57P02", "57P03", "53300", "3D000", "28000", "28P01"), StoreUnavailable),
    "23505": DuplicateKey,
}
#: MySQL and MariaDB, by error number. 1020: under MariaDB's snapshot isolation, the row has changed since.
_NUMBERS: Final[dict[int, _Kind]] = {
    **dict.fromkeys((1020, 1205, 1213, 3572), StoreContention),
    **dict.fromkeys((1054, 1146), SchemaMissing),
    **dict.fromkeys(
        (0, 1040, 1044, 1045, 1049, 1053, 1129, 1130, 1203, 1226, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031),
        StoreUnavailable,
    ),
    **dict.fromkeys((1062, 1586), DuplicateKey),
}
#: SQLite, by primary result code.
_CODES: Final[dict[int, _Kind]] = {
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), StoreContention),
    **dict.fromkeys((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB), StoreUnavailable),
}
_UNIQUE: Final = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
_ADVICE: Final = {
    SchemaMissing: "a durable table or column is missing ({error}): call ensure_schema() or run your migration",
    StoreContention: "the database rolled this back because of others ({error}): run your transaction again",
    StoreUnavailable: "the database cannot be reached, or the connection broke: {error}",
}


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Raise `StoreError` and its kinds for what a driver raises in the block, with the driver's error as the cause."""
    try:
        yield
    except MaxConnectionsExceeded as error:
        raise StoreUnavailable(
            "the connection pool is exhausted: give it more connections, or a timeout to wait for one"
        ) from error
    except peewee.PeeweeException as error:
        raise _as_store_error(error, _kind_of(error, dialect)) from error


def passing_trouble(error: BaseException, dialect: Dialect) -> StoreError | None:
    """What the host's own statement met when others or the network were in its way; None where it is to blame."""
    if not isinstance(error, peewee.PeeweeException):
        return None
    kind = _kind_of(error, dialect)
    return _as_store_error(error, kind) if kind in (StoreContention, StoreUnavailable) else None


def _as_store_error(error: peewee.PeeweeException, kind: _Kind) -> StoreError:
    advice = _ADVICE.get(kind, "the database refused a statement: {error}")  # type: ignore[call-overload]
    return kind(advice.format(error=_first_line(error)))


def _kind_of(error: peewee.PeeweeException, dialect: Dialect) -> _Kind:
    driver_error = _beneath(error)
    if dialect.name == "sqlite":
        return _sqlite_kind(driver_error)
    if dialect.name == "mysql":
        number = driver_error.args[0] if driver_error.args else 0
        # Without a number it is the client's own complaint: about a connection that is no longer one.
        return _NUMBERS.get(number, StoreError) if isinstance(number, int) else _lost_or_refused(error)
    state = getattr(driver_error, "sqlstate", None) or getattr(driver_error, "pgcode", None)
    if state is None:
        return _lost_or_refused(error)
    return StoreUnavailable if state.startswith("08") else _STATES.get(state, StoreError)


def _beneath(error: BaseException) -> BaseException:
    """The driver's own error, under however many of Peewee's wrappers."""
    while isinstance(error, peewee.PeeweeException) and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _sqlite_kind(error: BaseException) -> _Kind:
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if code in _UNIQUE:
        return DuplicateKey
    if code is not None and code & 0xFF in _CODES:
        return _CODES[code & 0xFF]
    if "no such table" in text or "no such column" in text or "has no column named" in text:
        return SchemaMissing
    return StoreUnavailable if "closed" in text else StoreError


def _lost_or_refused(error: peewee.PeeweeException) -> _Kind:
    return StoreUnavailable if isinstance(error, peewee.OperationalError | peewee.InterfaceError) else StoreError


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
