"""Events that were published before anybody matched them."""

from __future__ import annotations

from contextlib import suppress

from durable_core.records import BufferedEvent
from durable_core.validation import check_event, check_identifier, check_limit
from durable_sql.rows import Rows
from durable_sql.session import DuplicateKey, Session
from durable_sql.statements import events

__all__ = ["Events"]


class Events:
    """The buffered events."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def buffer(self, event: BufferedEvent) -> None:
        """`StateStore.buffer_event`."""
        check_event(event)
        dialect = self._session.dialect
        with suppress(DuplicateKey):
            await self._session.execute(events.buffer_event(dialect, self._rows.event_row(dialect, event)))

    async def oldest(self, name: str, limit: int) -> list[BufferedEvent]:
        """`StateStore.list_buffered_events`."""
        check_identifier(name, "event name")
        if not check_limit(limit):
            return []
        found = await self._session.fetch(events.list_events(self._session.dialect, name, limit))
        return [self._rows.event(row) for row in found]

    async def remove(self, event_id: str) -> bool:
        """`StateStore.remove_buffered_event`."""
        check_identifier(event_id, "event id")
        return bool(await self._session.execute(events.remove_event(self._session.dialect, event_id)))
