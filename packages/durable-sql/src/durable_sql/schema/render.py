"""One statement of DDL at a time, in a layout's spelling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from durable_sql.schema.layout import Layout
from durable_sql.schema.tables import Column, Index, Table

__all__ = ["MARKER_TABLE", "add_column", "column_definition", "create_index", "create_marker_table", "create_table"]
__all__ += ["literals", "quoted"]

#: Where a schema's fingerprint stands. The Node library keeps a row of its own in it.
MARKER_TABLE: Final = "durable_schema_meta"


def quoted(quote: str, *names: str) -> str:
    """*names* as identifiers, with commas between them."""
    return ", ".join(f"{quote}{name}{quote}" for name in names)


def literals(*names: str) -> str:
    """*names* of ours, which hold no quotes, as text literals with commas between them."""
    return ", ".join(f"'{name}'" for name in names)


def column_definition(layout: Layout, column: Column) -> str:
    """One column as CREATE TABLE and ADD COLUMN spell it."""
    parts = [quoted(layout.quote, column.name), layout.types[column.kind]]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.default is not None:
        parts.append(f"DEFAULT '{column.default}'")
    return " ".join(parts)


def create_table(layout: Layout, table: Table, strangers: Iterable[str] = ()) -> str:
    """CREATE TABLE, without the secondary indexes; *strangers* are definitions of columns that are not ours."""
    lines = [*(column_definition(layout, column) for column in table.columns), *strangers]
    if not any("PRIMARY KEY" in line for line in lines):
        lines.append(f"PRIMARY KEY ({quoted(layout.quote, *table.primary_key)})")
    body = ",\n  ".join(lines)
    return f"CREATE TABLE {quoted(layout.quote, table.name)} (\n  {body}\n){layout.table_options}"


def create_index(layout: Layout, table: Table, index: Index, name: str | None = None) -> str:
    """CREATE INDEX, by another *name* if its own is taken."""
    where = f"{quoted(layout.quote, table.name)} ({quoted(layout.quote, *index.columns)})"
    return f"CREATE INDEX {quoted(layout.quote, name or index.name)} ON {where}"


def add_column(layout: Layout, table: Table, column: Column) -> str:
    """ALTER TABLE ... ADD COLUMN; a column with a default back-fills the rows that are there."""
    return f"ALTER TABLE {quoted(layout.quote, table.name)} ADD COLUMN {column_definition(layout, column)}"


def create_marker_table(layout: Layout) -> str:
    """CREATE TABLE of the marker, as the Node library makes it too."""
    return (
        f"CREATE TABLE IF NOT EXISTS {quoted(layout.quote, MARKER_TABLE)} (\n"
        f"  {quoted(layout.quote, 'id')} varchar(32) NOT NULL PRIMARY KEY,\n"
        f"  {quoted(layout.quote, 'fingerprint')} varchar(64) NOT NULL,\n"
        f"  {quoted(layout.quote, 'applied_at')} bigint NOT NULL\n){layout.table_options}"
    )
