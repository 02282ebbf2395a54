"""Runs and their search attributes: create, change, park, end, delete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from durable_core.errors import RunNotFound
from durable_core.instants import from_ms, to_utc
from durable_core.records import Guard, RunPatch, WorkflowRun
from durable_core.validation import check_identifier, check_patch, check_run
from durable_sql.rows import Rows, attribute_rows
from durable_sql.session import DuplicateKey, Session
from durable_sql.statements import runs, signals
from durable_sql.store_matching import matched

__all__ = ["Runs"]


class Runs:
    """The runs table and what hangs on it."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def create(self, run: WorkflowRun) -> bool:
        """`StateStore.create_run`."""
        check_run(run)
        row = self._rows.run_row(self._session.dialect, run)
        attributes = attribute_rows(run.id, row["search_attributes"])
        if not attributes:
            return await self._insert(row)
        async with self._session.transaction(read_committed=True):
            if not await self._insert(row):
                return False
            await self._session.execute(runs.create_attributes(self._session.dialect, attributes))
            return True

    async def update(self, run_id: str, patch: RunPatch, expect: Guard | None) -> bool:
        """`StateStore.update_run`."""
        check_identifier(run_id, "run id")
        changes = patch.changes()
        check_patch(changes)
        columns = self._rows.run_columns(self._session.dialect, changes)
        if "search_attributes" in columns:
            found = await self._write_with_attributes(run_id, columns, expect)
        else:
            found = await self._write(run_id, columns, expect)
        if not found and expect is None:
            raise RunNotFound(run_id)
        return found

    async def suspend(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        """`StateStore.suspend_run`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(wake_at_ms, "wake_at_ms")
        # The status always changes, so that the count can be trusted everywhere.
        suspend = runs.suspend_run(self._session.dialect, run_id, owner, wake_at_ms, to_utc(now, "now"))
        return bool(await self._session.execute(suspend))

    async def end(self, run_id: str, patch: RunPatch, expect: Guard) -> bool:
        """`StateStore.end_run`."""
        check_identifier(run_id, "run id")
        async with self._session.transaction(read_committed=True):
            await self._lock_waiters(run_id)
            if not await self.update(run_id, patch, expect):
                return False
            await self._session.execute(signals.delete_waiters_of_run(self._session.dialect, run_id))
            return True

    async def get(self, run_id: str, *, latest: bool) -> WorkflowRun | None:
        """`StateStore.get_run`."""
        check_identifier(run_id, "run id")
        dialect = self._session.dialect
        found = await self._session.fetch(runs.get_run(dialect, run_id))
        if not found and latest and self._session.in_transaction():
            # Only a locking read looks beyond MySQL's snapshot. Not at once: on what is missing it would lock the gap.
            found = await self._session.fetch(runs.get_run(dialect, run_id, locking=dialect.for_share))
        return self._rows.run(found[0]) if found else None

    async def delete(self, run_id: str) -> None:
        """`StateStore.delete_run`."""
        check_identifier(run_id, "run id")
        async with self._session.transaction(read_committed=True):
            await self._lock_waiters(run_id)
            await self._session.execute(runs.delete_run(self._session.dialect, run_id))
            for statement in runs.delete_parts_of_runs(self._session.dialect, [run_id]):
                await self._session.execute(statement)

    async def _lock_waiters(self, run_id: str) -> None:
        # Before the run's own row, as the deliveries do, so that neither waits for the other in a circle.
        await self._session.fetch(signals.lock_waiters_of_run(self._session.dialect, run_id))

    async def _insert(self, row: Mapping[str, Any]) -> bool:
        try:
            return bool(await self._session.execute(runs.create_run(self._session.dialect, row)))
        except DuplicateKey:
            return False

    async def _write(self, run_id: str, columns: Mapping[str, Any], expect: Guard | None) -> bool:
        dialect = self._session.dialect
        if not columns:
            return bool(await self._session.fetch(runs.check_guard(dialect, run_id, expect, lock=False)))
        update = runs.update_run(dialect, run_id, columns, expect)
        return await matched(self._session, update, runs.check_guard(dialect, run_id, expect, lock=True))

    async def _write_with_attributes(self, run_id: str, columns: Mapping[str, Any], expect: Guard | None) -> bool:
        dialect = self._session.dialect
        attributes = attribute_rows(run_id, columns["search_attributes"])
        async with self._session.transaction(read_committed=True):
            if not await self._write(run_id, columns, expect):
                return False
            await self._session.execute(runs.delete_attributes(dialect, run_id))
            if attributes:
                await self._session.execute(runs.create_attributes(dialect, attributes))
            return True
