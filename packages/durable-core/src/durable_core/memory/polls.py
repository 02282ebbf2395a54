"""What workers ask again and again: which runs are pending, due or left behind; and the claims that take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from durable_core.instants import from_ms
from durable_core.memory.rows import Rows
from durable_core.memory.tables import RunRow, Tables
from durable_core.records import WorkflowRun
from durable_core.validation import check_identifier, check_limit

__all__ = ["Polls"]


class Polls:
    """Bounded, ordered views of the runs that need somebody."""

    def __init__(self, tables: Tables, rows: Rows) -> None:
        self._tables = tables
        self._rows = rows

    def incomplete(
        self, namespace: str | None, statuses: Sequence[str], lease_expired_ms: int | None, limit: int | None
    ) -> list[WorkflowRun]:
        """`StateStore.list_incomplete_runs`."""
        if lease_expired_ms is not None:
            from_ms(lease_expired_ms, "lease_expired_ms")
        rows = [
            row
            for row in self._with_status(tuple(statuses), namespace)
            if lease_expired_ms is None or row.is_free(lease_expired_ms)
        ]
        return self._runs(_first(sorted(rows, key=_by_update), limit))

    def pending(self, limit: int, namespace: str | None) -> list[WorkflowRun]:
        """`StateStore.list_pending_runs`."""
        return self._runs(_first(self._pending(namespace), limit))

    def due_timers(self, now_ms: int, namespace: str | None, limit: int | None) -> list[WorkflowRun]:
        """`StateStore.list_due_timers`."""
        return self._runs(_first(self._due(("suspended",), now_ms, namespace), limit))

    def claim_pending(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None
    ) -> list[WorkflowRun]:
        """`StateStore.claim_runs`."""
        return self._claim(self._pending(namespace), owner, lease_until_ms, now_ms, limit)

    def claim_due(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None
    ) -> list[WorkflowRun]:
        """`StateStore.claim_due_runs`."""
        due = self._due(("suspended", "blocked"), now_ms, namespace)
        return self._claim(due, owner, lease_until_ms, now_ms, limit)

    def _claim(
        self, candidates: Iterable[RunRow], owner: str, lease_until_ms: int, now_ms: int, limit: int
    ) -> list[WorkflowRun]:
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        from_ms(now_ms, "now_ms")
        # A run that somebody still holds is theirs to finish with, whatever its status says.
        free = [row for row in candidates if row.is_free(now_ms)]
        claimed = [
            replace(row, status="running", locked_by=owner, locked_until_ms=lease_until_ms, wake_at_ms=None)
            for row in _first(free, limit)
        ]
        for row in claimed:
            self._tables.runs.put(row)
        return self._runs(claimed)

    def _pending(self, namespace: str | None) -> list[RunRow]:
        return sorted(self._with_status(("pending",), namespace), key=_by_creation)

    def _due(self, statuses: tuple[str, ...], now_ms: int, namespace: str | None) -> list[RunRow]:
        from_ms(now_ms, "now_ms")
        due = [
            (row.wake_at_ms, row.id, row)
            for row in self._with_status(statuses, namespace)
            if row.wake_at_ms is not None and row.wake_at_ms <= now_ms
        ]
        return [row for _, _, row in sorted(due, key=lambda one: one[:2])]

    def _with_status(self, statuses: tuple[str, ...], namespace: str | None) -> list[RunRow]:
        if namespace is not None:
            check_identifier(namespace, "namespace", blank=True)
        rows = [row for status in statuses for row in self._tables.runs.where(status)]
        return rows if namespace is None else [row for row in rows if row.namespace == namespace]

    def _runs(self, rows: Iterable[RunRow]) -> list[WorkflowRun]:
        return [self._rows.run(row) for row in rows]


def _first(rows: list[RunRow], limit: int | None) -> list[RunRow]:
    return rows if limit is None else rows[: check_limit(limit)]


def _by_creation(row: RunRow) -> tuple[datetime, str]:
    return row.created_at, row.id


def _by_update(row: RunRow) -> tuple[datetime, str]:
    return row.updated_at, row.id
