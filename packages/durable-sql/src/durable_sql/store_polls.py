"""What workers ask again and again: which runs are pending, due or left behind; and the claims that take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from durable_core.errors import StoreError
from durable_core.instants import from_ms
from durable_core.records import WorkflowRun
from durable_core.validation import check_identifier, check_limit
from durable_sql.rows import Rows
from durable_sql.session import Row, Session
from durable_sql.statements import polls
from durable_sql.statements.polls import PICKED_AT, Poll
from durable_sql.stored_instants import read_instant

__all__ = ["Polls"]

#: How much further a claim looks each time it finds that others hold what it saw.
_WIDER: Final = 4


class Polls:
    """Bounded, ordered views of the runs that need somebody."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def incomplete(
        self, namespace: str | None, statuses: Sequence[str], lease_expired_ms: int | None, limit: int | None
    ) -> list[WorkflowRun]:
        """`StateStore.list_incomplete_runs`."""
        wanted = tuple(statuses)
        return await self._list(
            Poll(statuses=wanted, order="updated_at", namespace=namespace, free_ms=lease_expired_ms, limit=limit)
        )

    async def pending(self, limit: int, namespace: str | None) -> list[WorkflowRun]:
        """`StateStore.list_pending_runs`."""
        check_limit(limit)
        return await self._list(Poll(statuses=("pending",), order="created_at", namespace=namespace, limit=limit))

    async def due_timers(self, now_ms: int, namespace: str | None, limit: int | None) -> list[WorkflowRun]:
        """`StateStore.list_due_timers`."""
        from_ms(now_ms, "now_ms")
        return await self._list(
            Poll(statuses=("suspended",), order="wake_at", namespace=namespace, due_ms=now_ms, limit=limit)
        )

    async def claim_pending(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None
    ) -> list[WorkflowRun]:
        """`StateStore.claim_runs`."""
        from_ms(now_ms, "now_ms")
        # A run that somebody still holds is theirs to finish with, whatever its status says.
        pending = Poll(statuses=("pending",), order="created_at", namespace=namespace, free_ms=now_ms)
        return await self._claim(pending, owner, lease_until_ms, limit)

    async def claim_due(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None
    ) -> list[WorkflowRun]:
        """`StateStore.claim_due_runs`."""
        from_ms(now_ms, "now_ms")
        statuses = ("suspended", "blocked")
        due = Poll(statuses=statuses, order="wake_at", namespace=namespace, due_ms=now_ms, free_ms=now_ms)
        return await self._claim(due, owner, lease_until_ms, limit)

    async def _list(self, poll: Poll) -> list[WorkflowRun]:
        _check(poll)
        if poll.limit == 0 or not poll.statuses:
            return []
        found = await self._session.fetch(polls.list_runs_of(self._session.dialect, poll))
        return [self._rows.run(row) for row in found]

    async def _claim(self, poll: Poll, owner: str, lease_until_ms: int, limit: int) -> list[WorkflowRun]:
        wanted = replace(poll, limit=check_limit(limit))
        _check(wanted)
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        if not limit:
            return []
        if self._session.dialect.has_returning:
            taken = await self._session.fetch(
                polls.claim_returning(self._session.dialect, wanted, owner, lease_until_ms)
            )
        else:
            taken = await self._claim_in_windows(wanted, limit, owner, lease_until_ms)
        return [self._rows.run(row) for row in sorted(taken, key=_picked)]

    async def _claim_in_windows(self, poll: Poll, limit: int, owner: str, lease_until_ms: int) -> Sequence[Row]:
        """Ask without locks what there is, then lock and take just that; look further while others hold it."""
        taken: list[Row] = []
        seen: set[str] = set()
        width = limit
        while True:
            probe = polls.probe_runs_of(self._session.dialect, replace(poll, limit=width))
            found = [row["id"] for row in await self._session.fetch(probe)]
            fresh = [run_id for run_id in found if run_id not in seen]
            if fresh:
                try:
                    taken += await self._take(replace(poll, limit=limit - len(taken)), fresh, owner, lease_until_ms)
                except StoreError:
                    # What the windows before took is committed: it must reach the caller.
                    if not taken:
                        raise
                    return taken
            if len(taken) >= limit or len(found) < width:
                return taken
            seen.update(fresh)
            width *= _WIDER

    async def _take(self, poll: Poll, run_ids: Sequence[str], owner: str, lease_until_ms: int) -> Sequence[Row]:
        dialect = self._session.dialect
        async with self._session.transaction(read_committed=True):
            locked = await self._session.fetch(polls.lock_runs_of(dialect, poll, run_ids))
            if locked:
                take = polls.take_runs(dialect, [row["id"] for row in locked], owner, lease_until_ms)
                await self._session.execute(take)
        lease: Mapping[str, Any] = {
            "status": "running",
            "locked_by": owner,
            "locked_until": dialect.encode_instant(from_ms(lease_until_ms)),
            "wake_at": None,
        }
        return [{**row, PICKED_AT: row[poll.order], **lease} for row in locked]


def _check(poll: Poll) -> None:
    if poll.namespace is not None:
        check_identifier(poll.namespace, "namespace", blank=True)
    if poll.limit is not None:
        check_limit(poll.limit)
    if poll.free_ms is not None:
        from_ms(poll.free_ms, "lease_expired_ms")


def _picked(row: Row) -> tuple[Any, str]:
    return read_instant(row[PICKED_AT], PICKED_AT), row["id"]
