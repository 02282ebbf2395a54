"""Events that were published before anybody matched them."""

from __future__ import annotations

from durable_core.memory.rows import Rows
from durable_core.memory.tables import EventRow, Tables
from durable_core.records import BufferedEvent
from durable_core.validation import check_event, check_identifier, check_limit

__all__ = ["Events"]


class Events:
    """The buffered events."""

    def __init__(self, tables: Tables, rows: Rows) -> None:
        self._tables = tables
        self._rows = rows

    def buffer(self, event: BufferedEvent) -> None:
        """`StateStore.buffer_event`."""
        check_event(event)
        payload = self._rows.payload(event.payload, "event payload")
        if self._tables.events.get(event.id) is None:
            self._tables.events.put(
                EventRow(id=event.id, name=event.name, payload=payload, published_at_ms=event.published_at_ms)
            )

    def oldest(self, name: str, limit: int) -> list[BufferedEvent]:
        """`StateStore.list_buffered_events`."""
        rows = self._tables.events.where(check_identifier(name, "event name"))
        in_order = sorted(rows, key=lambda row: (row.published_at_ms, row.id))
        return [self._rows.event(row) for row in in_order[: check_limit(limit)]]

    def remove(self, event_id: str) -> bool:
        """`StateStore.remove_buffered_event`."""
        return self._tables.events.remove(check_identifier(event_id, "event id")) is not None
