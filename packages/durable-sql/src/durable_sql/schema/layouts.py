"""Which layout belongs to which dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from durable_sql.dialect import Dialect
from durable_sql.schema.layout import Layout
from durable_sql.schema.on_mysql import MYSQL_LAYOUT
from durable_sql.schema.on_postgres import POSTGRES_LAYOUT
from durable_sql.schema.on_sqlite import SQLITE_LAYOUT

__all__ = ["layout_of"]

_LAYOUTS: Final[Mapping[str, Layout]] = {
    "sqlite": SQLITE_LAYOUT,
    "postgres": POSTGRES_LAYOUT,
    "mysql": MYSQL_LAYOUT,
}


def layout_of(dialect: Dialect) -> Layout:
    """The physical layout on *dialect*'s database."""
    return _LAYOUTS[dialect.name]
