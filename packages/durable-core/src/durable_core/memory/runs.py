"""Runs and their search attributes: create, change, park, end, delete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from durable_core.errors import RunNotFound
from durable_core.instants import from_ms, to_utc
from durable_core.memory.rows import Rows, attribute_rows
from durable_core.memory.tables import RunRow, Tables
from durable_core.records import UNSET, Guard, RunPatch, WorkflowRun
from durable_core.validation import check_identifier, check_patch, check_run

__all__ = ["Runs"]


class Runs:
    """The runs table and what hangs on it."""

    def __init__(self, tables: Tables, rows: Rows) -> None:
        self._tables = tables
        self._rows = rows

    def create(self, run: WorkflowRun) -> bool:
        """`StateStore.create_run`."""
        check_run(run)
        row = self._rows.run_row(run)
        if self._tables.runs.get(row.id) is not None:
            return False
        self._tables.runs.put(row)
        self._index(row)
        return True

    def update(self, run_id: str, patch: RunPatch, expect: Guard | None) -> bool:
        """`StateStore.update_run`."""
        check_identifier(run_id, "run id")
        columns = self._checked(patch)
        row = self._tables.runs.get(run_id)
        if row is None and expect is None:
            raise RunNotFound(run_id)
        if row is None or not _holds(expect, row):
            return False
        self._write(row, columns)
        return True

    def suspend(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        """`StateStore.suspend_run`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(wake_at_ms, "wake_at_ms")
        updated_at = to_utc(now, "now")
        row = self._tables.runs.get(run_id)
        if row is None or row.status != "running" or row.locked_by != owner:
            return False
        wakes = [wake_at_ms] if row.wake_at_ms is None else [wake_at_ms, row.wake_at_ms]
        self._tables.runs.put(
            replace(
                row,
                status="suspended",
                wake_at_ms=min(wakes),
                locked_by=None,
                locked_until_ms=None,
                recovery_attempts=0,
                updated_at=updated_at,
            )
        )
        return True

    def end(self, run_id: str, patch: RunPatch, expect: Guard) -> bool:
        """`StateStore.end_run`."""
        if not self.update(run_id, patch, expect):
            return False
        for waiter in self._tables.waiters.where(run_id):
            self._tables.waiters.remove(waiter.token)
        return True

    def get(self, run_id: str) -> WorkflowRun | None:
        """`StateStore.get_run`."""
        row = self._tables.runs.get(check_identifier(run_id, "run id"))
        return None if row is None else self._rows.run(row)

    def delete(self, run_id: str) -> None:
        """`StateStore.delete_run`."""
        check_identifier(run_id, "run id")
        for checkpoint in self._tables.checkpoints.where(run_id):
            self._tables.checkpoints.remove((run_id, checkpoint.seq))
        for waiter in self._tables.waiters.where(run_id):
            self._tables.waiters.remove(waiter.token)
        for signal in self._tables.signals.where(f"child:{run_id}"):
            self._tables.signals.remove(signal.id)
        self._unindex(run_id)
        self._tables.runs.remove(run_id)

    def _checked(self, patch: RunPatch) -> dict[str, Any]:
        changes = patch.changes()
        check_patch(changes)
        return self._rows.run_columns(changes)

    def _write(self, row: RunRow, columns: dict[str, Any]) -> None:
        written = replace(row, **columns)
        self._tables.runs.put(written)
        if "search_attributes" in columns:
            self._unindex(row.id)
            self._index(written)

    def _index(self, row: RunRow) -> None:
        for attribute in attribute_rows(row.id, row.search_attributes):
            self._tables.attributes.put(attribute)

    def _unindex(self, run_id: str) -> None:
        for attribute in self._tables.attributes.where(run_id):
            self._tables.attributes.remove((run_id, attribute.key))


def _holds(expect: Guard | None, row: RunRow) -> bool:
    if expect is None:
        return True
    return (
        _among(row.status, expect.statuses)
        and (expect.owner is UNSET or row.locked_by == expect.owner)
        and (expect.lease_expired_ms is None or row.is_free(expect.lease_expired_ms))
    )


def _among(status: str, statuses: Iterable[str] | None) -> bool:
    return statuses is None or status in statuses
