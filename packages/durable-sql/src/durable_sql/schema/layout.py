"""The form of one database's physical layout: types, catalogue, lock, complaints and mends, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from durable_sql.schema.live import LiveColumn, LiveTable
from durable_sql.schema.tables import Column, Kind, Table

__all__ = ["Fault", "Layout"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a table cannot be served. *column* is None when the table as a whole is at fault."""

    table: Table
    column: Column | None
    what: str

    def __str__(self) -> str:
        place = self.table.name if self.column is None else f"{self.table.name}.{self.column.name}"
        return f"{place} {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one database lays the tables out, and how it tells what it has."""

    quote: str
    #: What to declare for each kind of column.
    types: Mapping[Kind, str]
    #: What follows the closing bracket of CREATE TABLE.
    table_options: str
    #: Whether DDL takes part in transactions, so that an ensure is all or nothing and may join the caller's.
    transactional_ddl: bool

    #: One row (version, tables): the server's version and how many of the named tables are there; never fails.
    glance: Callable[[Sequence[str]], str]
    #: Rows (table_name, column_name, column_type, nullable, column_default, collation, generated, declaration, engine).
    columns: Callable[[Sequence[str]], str]
    #: Rows (table_name, index_name, is_unique, is_primary, plain, column_name), by index and position.
    indexes: Callable[[Sequence[str]], str]
    #: Rows (table_name, column_name, stored) for columns that hold values of another form than declared; or None.
    contents: Callable[[Mapping[str, LiveTable]], str] | None

    #: Run first in a transaction of our own: see what others committed while we waited, and do not wait in silence.
    opening: tuple[str, ...]
    #: Taken inside the transaction that makes the tables, and released by its end.
    transaction_lock: str | None
    #: Taken and released on one connection where DDL is not transactional.
    connection_lock: tuple[str, str] | None
    #: The database's clock in epoch milliseconds.
    now_ms: str
    #: What follows an INSERT to make it an upsert of the marker row.
    marker_upsert: str

    #: The versions that serve, as told to the user, and whether one does.
    supported: str
    supports: Callable[[str], bool]
    #: Why a column cannot be served, or None.
    complaint: Callable[[Column, LiveColumn], str | None]
    #: Why a column is served less well than it could be, with what mends it, or None.
    reservation: Callable[[Column, LiveColumn], str | None]
    #: The statements that mend the faults of one table, without losing a row.
    mends: Callable[[Sequence[Fault], LiveTable], tuple[str, ...]]
