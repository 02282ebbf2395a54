"""Drop the tables: for the way down of a migration, and for nothing else."""

from __future__ import annotations

from durable_sql.dialect import Dialect
from durable_sql.schema.ddl import managed_tables
from durable_sql.schema.gate import MARKER_ID
from durable_sql.schema.inspect import exists
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.render import MARKER_TABLE, quoted
from durable_sql.session import Session, Statement

__all__ = ["drop_schema", "drops"]


def drops(dialect: Dialect) -> tuple[str, ...]:
    """Every statement that drops the six tables, with every run in them, whichever of them are there."""
    quote = layout_of(dialect).quote
    return tuple(f"DROP TABLE IF EXISTS {quoted(quote, name)}" for name in reversed(managed_tables()))


async def drop_schema(session: Session) -> None:
    """Drop the six tables with every run in them, and our marker; its table too, unless another library uses it."""
    for statement in drops(session.dialect):
        await session.execute(Statement(statement))
    if await exists(session, MARKER_TABLE):
        await session.execute(Statement(f"DELETE FROM {MARKER_TABLE} WHERE id = '{MARKER_ID}'"))
        if not await session.fetch(Statement(f"SELECT id FROM {MARKER_TABLE} LIMIT 1")):
            quote = layout_of(session.dialect).quote
            await session.execute(Statement(f"DROP TABLE {quoted(quote, MARKER_TABLE)}"))
