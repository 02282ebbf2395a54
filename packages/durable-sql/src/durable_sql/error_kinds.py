"""What a database's error codes mean, through whichever driver and ORM they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from durable_core.errors import SchemaMissing, StoreContention, StoreError, StoreUnavailable
from durable_sql.dialect import Dialect
from durable_sql.session import DuplicateKey

__all__ = ["ErrorKind", "as_store_error", "kind_of", "lost_or_refused"]

ErrorKind = Callable[[str], StoreError]

#: PostgreSQL, by SQLSTATE.
_STATES: Final[dict[str, ErrorKind]] = {
    **dict.fromkeys(("40001", "40P01", "55P03"), StoreContention),
    **dict.fromkeys(("42P01", "42703", "3F000"), SchemaMissing),
    **dict.fromkeys(("57P01", "57P02", "57P03", "53300", "3D000", "28000", "28P01"), StoreUnavailable),
    "23505": DuplicateKey,
}
#: MySQL and MariaDB, by error number. 1020: under MariaDB's snapshot isolation, the row has changed since.
_NUMBERS: Final[dict[int, ErrorKind]] = {
    **dict.fromkeys((1020, 1205, 1213, 3572), StoreContention),
    **dict.fromkeys((1054, 1146), SchemaMissing),
    **dict.fromkeys(
        (0, 1040, 1044, 1045, 1049, 1053, 1129, 1130, 1203, 1226, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031),
        StoreUnavailable,
    ),
    **dict.fromkeys((1062, 1586), DuplicateKey),
}
#: SQLite, by primary result code.
_CODES: Final[dict[int, ErrorKind]] = {
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), StoreContention),
    **dict.fromkeys((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB), StoreUnavailable),
}
_UNIQUE: Final = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
#: What drivers call errors about the connection rather than the statement. The last is what asyncpg has for a statement
#: on a connection whose end it is still reading about.
_ABOUT_CONNECTIONS: Final = ("OperationalError", "InterfaceError", "InternalClientError")
_ADVICE: Final = {
    SchemaMissing: "a durable table or column is missing ({error}): call ensure_schema() or run your migration",
    StoreContention: "the database rolled this back because of others ({error}): run your transaction again",
    StoreUnavailable: "the database cannot be reached, or the connection broke: {error}",
}


def kind_of(error: BaseException, dialect: Dialect, *, uncoded: ErrorKind) -> ErrorKind:
    """What a driver's own *error* means; *uncoded* is for one of a server's driver that carries no code.

    Such an error is the client's own complaint, mostly about a connection that is no longer one.
    """
    if dialect.name == "sqlite":
        return _kind_of_sqlite(error)
    if dialect.name == "mysql":
        number = error.args[0] if error.args else 0
        return _NUMBERS.get(number, StoreError) if isinstance(number, int) else uncoded
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is None:
        return uncoded
    return StoreUnavailable if state.startswith("08") else _STATES.get(state, StoreError)


def lost_or_refused(error: BaseException) -> ErrorKind:
    """What an error without a code means by the name of its class, which is mostly PEP 249's."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return StoreError if names.isdisjoint(_ABOUT_CONNECTIONS) else StoreUnavailable


def _kind_of_sqlite(error: BaseException) -> ErrorKind:
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if code in _UNIQUE:
        return DuplicateKey
    if code is not None and code & 0xFF in _CODES:
        return _CODES[code & 0xFF]
    if "no such table" in text or "no such column" in text or "has no column named" in text:
        return SchemaMissing
    return StoreUnavailable if "closed" in text else StoreError


def as_store_error(error: BaseException, kind: ErrorKind) -> StoreError:
    """The error of that *kind*, with what to do about it and the first line of what the driver said."""
    advice = _ADVICE.get(kind, "the database refused a statement: {error}")  # type: ignore[call-overload]
    return kind(advice.format(error=str(error).strip().partition("\n")[0]))
