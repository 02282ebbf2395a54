"""Everything that a database's catalogue says, so that a test can tell whether anything changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import peewee

__all__ = ["catalogue"]

_SQLITE = ["SELECT tbl_name, type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"]
_POSTGRES = [
    """SELECT table_name, 'column', column_name, data_type, character_maximum_length, datetime_precision, is_nullable,
              column_default, collation_name, is_identity
       FROM information_schema.columns WHERE table_schema = 'public'""",
    """SELECT tablename, 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'""",
    """SELECT relname, 'relation', relkind::text, relowner::text
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'""",
    """SELECT table_name, 'constraint', constraint_name, constraint_type
       FROM information_schema.table_constraints WHERE table_schema = 'public' AND constraint_type <> 'CHECK'""",
]
_MYSQL = [
    """SELECT table_name, 'column', column_name, column_type, is_nullable, column_default, collation_name, extra
       FROM information_schema.columns WHERE table_schema = DATABASE()""",
    """SELECT table_name, 'index', index_name, column_name, seq_in_index, non_unique, sub_part
       FROM information_schema.statistics WHERE table_schema = DATABASE()""",
    """SELECT table_name, 'table', engine, table_collation
       FROM information_schema.tables WHERE table_schema = DATABASE()""",
]


def catalogue(database: peewee.Database, *, without: Iterable[str] = ()) -> set[tuple[Any, ...]]:
    """Every table, column, index and constraint, leaving out those of the tables *without*."""
    if isinstance(database, peewee.SqliteDatabase):
        queries = _SQLITE
    else:
        queries = _MYSQL if isinstance(database, peewee.MySQLDatabase) else _POSTGRES
    left_out = set(without)
    return {
        tuple(row)
        for query in queries
        for row in database.execute_sql(query).fetchall()
        if not any(str(row[0]).startswith(name) for name in left_out)
    }
