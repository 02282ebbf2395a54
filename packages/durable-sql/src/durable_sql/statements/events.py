"""Events that were published before anybody matched them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable_sql.dialect import Dialect
from durable_sql.schema.tables import EVENTS
from durable_sql.session import Statement
from durable_sql.statements.binding import bounded, columns_of, insert, statement

__all__ = ["buffer_event", "list_events", "remove_event"]


def buffer_event(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """One row, or none if the id exists."""
    return insert(dialect, EVENTS, [row], dialect.insert_once(EVENTS.primary_key))


def list_events(dialect: Dialect, name: str, limit: int) -> Statement:
    """The oldest events of that name."""
    columns = columns_of(dialect, EVENTS.column_names)
    sql = f"SELECT {columns} FROM {EVENTS.name} WHERE name = :name ORDER BY published_at, id LIMIT :limit"
    return statement(dialect, sql, {"name": name, "limit": bounded(limit)})


def remove_event(dialect: Dialect, event_id: str) -> Statement:
    """Remove the event; its row count tells who did."""
    return statement(dialect, f"DELETE FROM {EVENTS.name} WHERE id = :id", {"id": event_id})
