"""The tables as DDL: what `ensure_schema` runs, and what a database administrator can run instead."""

from __future__ import annotations

from durable_sql.dialect import Dialect
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.render import MARKER_TABLE, create_index, create_table
from durable_sql.schema.tables import TABLES

__all__ = ["ddl", "managed_tables"]


def ddl(dialect: Dialect) -> tuple[str, ...]:
    """Every statement that makes the six tables and their indexes in an empty database."""
    layout = layout_of(dialect)
    tables = [create_table(layout, table) for table in TABLES]
    indexes = [create_index(layout, table, index) for table in TABLES for index in table.indexes]
    return (*tables, *indexes)


def managed_tables(*, marker: bool = False) -> tuple[str, ...]:
    """The names of the tables that belong to the library, for tools that diff or drop what they do not know.

    With *marker* also ``durable_schema_meta``, which holds no data of the application.
    """
    names = tuple(table.name for table in TABLES)
    return (*names, MARKER_TABLE) if marker else names
