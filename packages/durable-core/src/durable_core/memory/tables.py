"""The six tables, with the columns of the SQL ones: payloads are text, instants are as records have them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

from durable_core.memory.journal import Journal, Table

__all__ = ["AttributeRow", "CheckpointRow", "EventRow", "RunRow", "SignalRow", "Tables", "WaiterRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """durable_workflow_runs."""

    id: str
    workflow: str
    workflow_version: str
    status: str
    input: str | None
    output: str | None
    error: str | None
    wake_at_ms: int | None
    locked_by: str | None
    locked_until_ms: int | None
    awaiting_decision_task_id: str | None
    recovery_attempts: int | None
    tags: str | None
    search_attributes: str | None
    priority: int | None
    namespace: str
    origin: str | None
    created_at: datetime
    updated_at: datetime

    def is_free(self, now_ms: int) -> bool:
        """Whether nobody's lease reaches beyond *now_ms*."""
        return self.locked_until_ms is None or self.locked_until_ms <= now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """durable_step_checkpoints."""

    run_id: str
    seq: int
    name: str
    kind: str
    step_id: str
    status: str
    attempts: int
    started_at: datetime
    finished_at: datetime
    enqueued_at: datetime
    input: str | None
    output: str | None
    error: str | None
    events: str | None
    worker_group: str | None
    parallel_group: str | None
    wake_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRow:
    """durable_run_attributes: exactly one of the values is not None."""

    run_id: str
    key: str
    str_value: str | None
    num_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiterRow:
    """durable_signal_waiters."""

    token: str
    run_id: str
    seq: int
    parallel_group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRow:
    """durable_buffered_signals."""

    id: int
    token: str
    payload: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """durable_buffered_events."""

    id: str
    name: str
    payload: str | None
    published_at_ms: int


class Tables:
    """All rows of one store."""

    def __init__(self, journal: Journal) -> None:
        self.runs: Table[str, RunRow] = Table(journal, lambda row: row.id, lambda row: row.status)
        self.checkpoints: Table[tuple[str, int], CheckpointRow] = Table(
            journal, lambda row: (row.run_id, row.seq), lambda row: row.run_id
        )
        self.attributes: Table[tuple[str, str], AttributeRow] = Table(
            journal, lambda row: (row.run_id, row.key), lambda row: row.run_id
        )
        self.waiters: Table[str, WaiterRow] = Table(journal, lambda row: row.token, lambda row: row.run_id)
        self.signals: Table[int, SignalRow] = Table(journal, lambda row: row.id, lambda row: row.token)
        self.events: Table[str, EventRow] = Table(journal, lambda row: row.id, lambda row: row.name)
        #: Like a database's, this sequence is not part of any transaction.
        self.signal_ids = itertools.count(1)
