"""Clauses on polls, signals, events, queries and values kill the stores that break them.

The mutants are mistakes that real stores have made; the healthy store passes every clause in test_memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from durable_core.codec import JsonCodec
from durable_core.memory import InMemoryStateStore
from durable_core.queries import RetentionPolicy, RunFacet, RunQuery
from durable_core.records import (
    INCOMPLETE_STATUSES,
    BufferedEvent,
    BufferedSignal,
    Guard,
    RunPatch,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)
from durable_core.store import StoreTransaction
from mutants import Mutants, breathe

MUTANTS = Mutants()


@MUTANTS.killed_by("POLL-08")
class FilterAfterLimit(InMemoryStateStore):
    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        return [one for one in await super().list_pending_runs(limit) if namespace in (None, one.namespace)]


@MUTANTS.killed_by("POLL-12")
class StatusesAfterLimit(InMemoryStateStore):
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


@MUTANTS.killed_by("POLL-07", "POLL-08")
class NamespaceIgnored(InMemoryStateStore):
    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await super().list_due_timers(now_ms, limit=limit)


@MUTANTS.killed_by("POLL-04", "POLL-06", "CLAIM-05")
class EqualIsNotDue(InMemoryStateStore):
    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await super().list_due_timers(now_ms - 1, namespace, limit=limit)

    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await super().claim_due_runs(owner, lease_until_ms, now_ms - 1, limit, namespace)


@MUTANTS.killed_by("CLAIM-20", "CLAIM-03")
class ClaimLooksFirst(InMemoryStateStore):
    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        pending = await self.list_pending_runs(limit)
        breathe()
        for run in pending:
            await self.update_run(run.id, RunPatch(status="running", locked_by=owner, locked_until_ms=lease_until_ms))
        claimed = [await self.get_run(one.id) for one in pending]
        return [run for run in claimed if run is not None]


@MUTANTS.killed_by("CLAIM-10")
class ClaimsHeldRuns(InMemoryStateStore):
    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        for run in await self.list_pending_runs(limit, namespace):
            await self.release_run_lock(run.id)
        return await super().claim_runs(owner, lease_until_ms, now_ms, limit, namespace)


@MUTANTS.killed_by("SIGNAL-07")
class TokensFoldCase(InMemoryStateStore):
    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        await super().put_signal_waiter(replace(waiter, token=waiter.token.lower()))

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return await super().take_signal_waiter(token.lower())


@MUTANTS.killed_by("SIGNAL-01", "SIGNAL-20")
class TakesTwice(InMemoryStateStore):
    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return next((one for one in await self.list_signal_waiters(token) if one.token == token), None)


@MUTANTS.killed_by("SIGNAL-20", "SIGNAL-23")
class TakeLooksFirst(TakesTwice):
    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        waiter = await super().take_signal_waiter(token)
        breathe()
        if waiter is not None:
            await self.remove_signal_waiter(waiter)
        return waiter


@MUTANTS.killed_by("SIGNAL-10")
class NoneIsNoSignal(InMemoryStateStore):
    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        taken = await super().take_buffered_signal(token)
        return taken if taken is not None and taken.payload is not None else None


@MUTANTS.killed_by("SIGNAL-03")
class RemovesByToken(InMemoryStateStore):
    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        return await self.take_signal_waiter(waiter.token) is not None


@MUTANTS.killed_by("DELIVER-01", "DELIVER-20", "DELIVER-21")
class DeliversAndBuffers(InMemoryStateStore):
    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        served = await super().deliver_signal(token, payload, now)
        if served is not None:
            await self.buffer_signal(token, payload)
        return served


@MUTANTS.killed_by("DELIVER-21")
class DeliveryInTwoSteps(InMemoryStateStore):
    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        waiters = await self.list_signal_waiters(token)
        breathe()
        if waiters:
            return await super().deliver_signal(token, payload, now)
        await self.buffer_signal(token, payload)
        return None


@MUTANTS.killed_by("DELIVER-03", "SUSPEND-03")
class RunningIsNotMadeDue(InMemoryStateStore):
    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        served = await super().deliver_signal(token, payload, now)
        if served is not None:
            await self.update_run(served.run_id, RunPatch(wake_at_ms=None), expect=Guard(statuses=("running",)))
        return served


@MUTANTS.killed_by("CONSUME-06")
class UnfencedConsumption(InMemoryStateStore):
    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        run = await self.get_run(waiter.run_id)
        return await super().consume_buffered_signal(waiter, now, owner=run.locked_by or owner if run else owner)


@MUTANTS.killed_by("CONSUME-02", "CONSUME-05")
class ConsumptionRegistersNothing(InMemoryStateStore):
    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        saved = await super().consume_buffered_signal(waiter, now, owner=owner)
        await self.remove_signal_waiter(waiter)
        return saved


@MUTANTS.killed_by("EVENT-06")
class EventsOverwrite(InMemoryStateStore):
    async def buffer_event(self, event: BufferedEvent) -> None:
        await self.remove_buffered_event(event.id)
        await super().buffer_event(event)


@MUTANTS.killed_by("EVENT-03", "EVENT-20")
class EventsAreAlwaysRemoved(InMemoryStateStore):
    async def remove_buffered_event(self, event_id: str) -> bool:
        await super().remove_buffered_event(event_id)
        return True


@MUTANTS.killed_by("QUERY-06", "QUERY-08")
class OffsetIgnored(InMemoryStateStore):
    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await super().list_runs(replace(query, offset=0))


@MUTANTS.killed_by("QUERY-09", "QUERY-10")
class KeysetWithoutId(InMemoryStateStore):
    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        if query.before is None:
            return await super().list_runs(query)
        everything = await super().list_runs(replace(query, before=None, limit=None, offset=0))
        rest = [one for one in everything if one.created_at < query.before[0]]
        return rest[query.offset :][: query.limit]


@MUTANTS.killed_by("QUERY-11")
class EmptyTextIsNoFilter(InMemoryStateStore):
    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await super().list_runs(replace(query, workflow=query.workflow or None, status=query.status or None))


@MUTANTS.killed_by("TAG-01", "TAG-02")
class TagsBySubstring(InMemoryStateStore):
    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        runs = await super().list_runs(replace(query, tag=None))
        return [one for one in runs if query.tag is None or query.tag in ",".join(one.tags or ())]


@MUTANTS.killed_by("FACET-02")
class FacetsObeyStatus(InMemoryStateStore):
    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        return [one for one in await super().run_facets(query) if query.status in (None, one.status)]


@MUTANTS.killed_by("ATTR-04")
class BooleansAreNumbers(InMemoryStateStore):
    async def create_run(self, run: WorkflowRun) -> bool:
        attributes = {
            key: int(value) if isinstance(value, bool) else value
            for key, value in (run.search_attributes or {}).items()
        }
        return await super().create_run(replace(run, search_attributes=attributes))


@MUTANTS.killed_by("PRUNE-08")
class PrunesLeasedRuns(InMemoryStateStore):
    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        for run in await self.list_runs(RunQuery()):
            await self.release_run_lock(run.id)
        return await super().prune_terminal_runs(policy, now_ms, limit)


@MUTANTS.killed_by("TIME-01", "TIME-06")
class WholeSeconds(InMemoryStateStore):
    async def create_run(self, run: WorkflowRun) -> bool:
        wake = run.wake_at_ms if run.wake_at_ms is None else run.wake_at_ms // 1000 * 1000
        return await super().create_run(replace(run, wake_at_ms=wake))


@MUTANTS.killed_by("TIME-04")
class NaiveMeansUtc(InMemoryStateStore):
    async def create_run(self, run: WorkflowRun) -> bool:
        return await super().create_run(replace(run, created_at=run.created_at.replace(tzinfo=UTC)))


@MUTANTS.killed_by("IDENT-01", "IDENT-03")
class SpacesAreStripped(InMemoryStateStore):
    async def buffer_signal(self, token: str, payload: Any) -> None:
        await super().buffer_signal(str(token).rstrip(" "), payload)

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        return await super().get_run(run_id.rstrip(" "))


@MUTANTS.killed_by("TX-02", "DELIVER-10", "FENCE-05")
class NoRollback(InMemoryStateStore):
    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[Any]]) -> Any:
        class Bare:
            raw = None
            save_checkpoint = self.save_checkpoint

        return await work(Bare())


class _NullForNan(JsonCodec):
    def encode(self, value: object, field: str) -> str:
        return super().encode(None if value != value else value, field)


@MUTANTS.killed_by("PAYLOAD-04", "RUN-06")
class NanIsNull(InMemoryStateStore):
    def __init__(self) -> None:
        super().__init__(_NullForNan())


@pytest.mark.parametrize(("mutant", "clause"), MUTANTS.each())
def test_the_clause_kills_the_mutant(mutant: type[InMemoryStateStore], clause: str) -> None:
    MUTANTS.expect_death(mutant, clause)
