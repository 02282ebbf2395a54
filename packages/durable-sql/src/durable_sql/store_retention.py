"""Retention: which ended runs are too old or too many."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from durable_core.errors import InvalidInstant
from durable_core.instants import from_ms
from durable_core.queries import RetentionPolicy
from durable_core.validation import check_limit, check_policy
from durable_sql.session import Session
from durable_sql.statements import retention, runs
from durable_sql.statements.retention import Violation

__all__ = ["Retention"]

#: How many ids go into one statement.
_AT_ONCE: Final = 500


class Retention:
    """Prunes ended runs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def prune(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        """`StateStore.prune_terminal_runs`."""
        max_age_ms = check_policy(policy)
        check_limit(limit)
        now = from_ms(now_ms, "now_ms")
        statuses = tuple(dict.fromkeys(policy.statuses))
        if not limit or not statuses:
            return 0
        async with self._session.transaction(read_committed=True):
            violation = Violation(
                statuses=statuses,
                now=now,
                updated_before=None if max_age_ms is None else _back_from(now_ms, max_age_ms),
                kept=await self._last_kept(statuses, policy.max_count) if policy.max_count else None,
                keeps_none=policy.max_count == 0,
            )
            oldest = retention.list_violators(self._session.dialect, violation, limit)
            violators = [row["id"] for row in await self._session.fetch(oldest)]
            pruned = 0
            for start in range(0, len(violators), _AT_ONCE):
                pruned += await self._delete(violation, violators[start : start + _AT_ONCE])
            return pruned

    async def _last_kept(self, statuses: Sequence[str], max_count: int) -> tuple[Any, str] | None:
        found = await self._session.fetch(retention.last_kept(self._session.dialect, statuses, max_count))
        return (found[0]["updated_at"], found[0]["id"]) if found else None

    async def _delete(self, violation: Violation, run_ids: Sequence[str]) -> int:
        # Asked again by the statement that deletes: a run may have been taken up again since it was listed.
        dialect = self._session.dialect
        if dialect.has_returning:
            found = await self._session.fetch(retention.delete_violators_returning(dialect, violation, run_ids))
        else:
            found = await self._session.fetch(retention.lock_violators(dialect, violation, run_ids))
        deleted = [row["id"] for row in found]
        if not deleted:
            return 0
        if not dialect.has_returning:
            await self._session.execute(retention.delete_runs(dialect, deleted))
        for statement in runs.delete_parts_of_runs(dialect, deleted):
            await self._session.execute(statement)
        return len(deleted)


def _back_from(now_ms: int, max_age_ms: int) -> datetime | None:
    with suppress(InvalidInstant):
        return from_ms(now_ms - max_age_ms)
    return None  # before the first instant that there is: nothing is that old
