"""The marker that lets a boot end after two cheap queries when the tables are known to be right."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from durable_core.errors import ConfigurationError
from durable_sql.dialect import Dialect
from durable_sql.schema.ddl import ddl, managed_tables
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.render import MARKER_TABLE, create_marker_table
from durable_sql.session import Session, Statement

__all__ = ["MARKER_ID", "check_version", "fingerprint", "is_current", "write_marker"]

#: Our row; the Node library's has another id and is never touched.
MARKER_ID: Final = "durable-py"


async def is_current(session: Session) -> bool:
    """Whether all tables are there and this very layout was ensured before: two queries at most, neither can fail.

    Raises `ConfigurationError` for a database that is too old.
    """
    names = managed_tables(marker=True)
    (row,) = await session.fetch(Statement(layout_of(session.dialect).glance(names)))
    check_version(session.dialect, _text(row["version"]))
    if int(row["tables"]) < len(names):
        return False
    marks = await session.fetch(Statement(f"SELECT fingerprint FROM {MARKER_TABLE} WHERE id = '{MARKER_ID}'"))
    return [_text(mark["fingerprint"]) for mark in marks] == [fingerprint(session.dialect)]


def check_version(dialect: Dialect, version: str) -> None:
    """Raise `ConfigurationError` if the database's *version* lacks what the statements need."""
    layout = layout_of(dialect)
    if not layout.supports(version):
        raise ConfigurationError(
            f"the database has version {version}, but durable needs {layout.supported}: upgrade it"
        )


def fingerprint(dialect: Dialect) -> str:
    """A short text that changes whenever the declared layout does."""
    return hashlib.sha256("\n".join(ddl(dialect)).encode()).hexdigest()[:32]


async def write_marker(session: Session) -> None:
    """Note that this layout stands; makes the marker's table if need be."""
    layout = layout_of(session.dialect)
    await session.execute(Statement(create_marker_table(layout)))
    await session.execute(
        Statement(
            f"INSERT INTO {MARKER_TABLE} (id, fingerprint, applied_at) "
            f"VALUES ('{MARKER_ID}', '{fingerprint(session.dialect)}', {layout.now_ms}) {layout.marker_upsert}"
        )
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes | bytearray) else str(value)
