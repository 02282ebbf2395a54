"""Retention: which ended runs are too old or too many."""

from __future__ import annotations

from datetime import datetime

from durable_core.instants import from_ms, to_ms
from durable_core.memory.runs import Runs
from durable_core.memory.tables import RunRow, Tables
from durable_core.queries import RetentionPolicy
from durable_core.validation import check_limit, check_policy

__all__ = ["Retention"]


class Retention:
    """Prunes ended runs."""

    def __init__(self, tables: Tables, runs: Runs) -> None:
        self._tables = tables
        self._runs = runs

    def prune(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        """`StateStore.prune_terminal_runs`."""
        max_age_ms = check_policy(policy)
        check_limit(limit)
        from_ms(now_ms, "now_ms")
        oldest_first = sorted(
            (row for status in dict.fromkeys(policy.statuses) for row in self._tables.runs.where(status)), key=_age
        )
        surplus = 0 if policy.max_count is None else len(oldest_first) - policy.max_count
        prunable = [
            row
            for rank, row in enumerate(oldest_first)
            if rank < surplus or (max_age_ms is not None and to_ms(row.updated_at) < now_ms - max_age_ms)
        ]
        pruned = [row for row in prunable if row.is_free(now_ms)][:limit]
        for row in pruned:
            self._runs.delete(row.id)
        return len(pruned)


def _age(row: RunRow) -> tuple[datetime, str]:
    return row.updated_at, row.id
