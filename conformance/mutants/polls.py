"""Polls and claims that miss runs, or take what is not theirs."""

from __future__ import annotations

from collections.abc import Sequence

from durable_core.memory import InMemoryStateStore
from durable_core.records import INCOMPLETE_STATUSES, RunPatch, WorkflowRun
from mutants.registry import breathe, killed_by

__all__ = [
    "ClaimLooksFirst",
    "ClaimsHeldRuns",
    "EqualIsNotDue",
    "FilterAfterLimit",
    "HeldRunsAreIncomplete",
    "NamespaceIgnored",
    "NewestFirst",
    "StatusesAfterLimit",
]


@killed_by("POLL-08")
class FilterAfterLimit(InMemoryStateStore):
    """The namespace is filtered after the limit."""

    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        return [one for one in await super().list_pending_runs(limit) if namespace in (None, one.namespace)]


@killed_by("POLL-12")
class StatusesAfterLimit(InMemoryStateStore):
    """The statuses are filtered after the limit."""

    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        found = await super().list_incomplete_runs(namespace, lease_expired_ms=lease_expired_ms, limit=limit)
        return [one for one in found if one.status in statuses]


@killed_by("POLL-07", "POLL-08")
class NamespaceIgnored(InMemoryStateStore):
    """One of the polls ignores the namespace."""

    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await super().list_due_timers(now_ms, limit=limit)


@killed_by("POLL-04", "POLL-06", "CLAIM-05")
class EqualIsNotDue(InMemoryStateStore):
    """What is due at this very millisecond waits for the next."""

    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await super().list_due_timers(now_ms - 1, namespace, limit=limit)

    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await super().claim_due_runs(owner, lease_until_ms, now_ms - 1, limit, namespace)


@killed_by("CLAIM-20", "CLAIM-03")
class ClaimLooksFirst(InMemoryStateStore):
    """Runs are listed in one transaction and claimed in the next."""

    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        pending = await self.list_pending_runs(limit)
        breathe()
        for run in pending:
            await self.update_run(run.id, RunPatch(status="running", locked_by=owner, locked_until_ms=lease_until_ms))
        claimed = [await self.get_run(one.id) for one in pending]
        return [run for run in claimed if run is not None]


@killed_by("CLAIM-10")
class ClaimsHeldRuns(InMemoryStateStore):
    """A claim takes runs that somebody holds."""

    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        for run in await self.list_pending_runs(limit, namespace):
            await self.release_run_lock(run.id)
        return await super().claim_runs(owner, lease_until_ms, now_ms, limit, namespace)


@killed_by("POLL-02")
class HeldRunsAreIncomplete(InMemoryStateStore):
    """Recovery is shown runs that somebody holds."""

    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        return await super().list_incomplete_runs(namespace, statuses=statuses, limit=limit)


@killed_by("POLL-03")
class NewestFirst(InMemoryStateStore):
    """Pending runs are served newest first, so that the oldest starve."""

    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        await super().list_pending_runs(limit, namespace)
        return (await super().list_pending_runs(1_000_000, namespace))[::-1][:limit]
