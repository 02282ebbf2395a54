"""The reference semantics of every `StateStore` method, in this process's memory."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from durable_core.codec import Codec, JsonCodec
from durable_core.drive import run_blocking
from durable_core.memory.checkpoints import Checkpoints
from durable_core.memory.events import Events
from durable_core.memory.journal import Journal
from durable_core.memory.leases import Leases
from durable_core.memory.listing import Listing
from durable_core.memory.polls import Polls
from durable_core.memory.retention import Retention
from durable_core.memory.rows import Rows
from durable_core.memory.runs import Runs
from durable_core.memory.signals import Signals
from durable_core.memory.tables import Tables
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

__all__ = ["InMemoryStateStore"]

T = TypeVar("T")


class InMemoryStateStore:
    """A store for tests and local development. It is not durable: runs end with the process that holds them.

    It keeps every promise of `StateStore` but that one, payloads as text included, and may be shared by any number of
    threads: one of them is inside at a time, for as long as its transaction lasts.
    """

    blocking: Literal[True] = True

    def __init__(self, codec: Codec | None = None) -> None:
        self._journal = Journal()
        #: The rows themselves, for tests that damage one on purpose.
        self.tables = Tables(self._journal)
        rows = Rows(JsonCodec() if codec is None else codec)
        self._runs = Runs(self.tables, rows)
        self._checkpoints = Checkpoints(self.tables, rows)
        self._leases = Leases(self.tables)
        self._polls = Polls(self.tables, rows)
        self._signals = Signals(self.tables, rows, self._checkpoints)
        self._events = Events(self.tables, rows)
        self._listing = Listing(self.tables, rows)
        self._retention = Retention(self.tables, self._runs)

    def atomic(self) -> AbstractContextManager[None]:
        """The application's own transaction around a block, as a database would have it; nested, a savepoint."""
        return self._journal.transaction()

    async def ensure_schema(self) -> None:
        pass

    async def verify_schema(self) -> None:
        pass

    def connected(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def on_commit(self, callback: Callable[[], None]) -> None:
        self._journal.on_commit(callback)

    async def create_run(self, run: WorkflowRun) -> bool:
        with self.atomic():
            return self._runs.create(run)

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        with self.atomic():
            return self._runs.update(run_id, patch, expect)

    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        with self.atomic():
            return self._runs.suspend(run_id, owner, wake_at_ms, now)

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        with self.atomic():
            return self._runs.end(run_id, patch, expect)

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        with self.atomic():
            return self._runs.get(run_id)

    async def delete_run(self, run_id: str) -> None:
        with self.atomic():
            self._runs.delete(run_id)

    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        with self.atomic():
            return self._retention.prune(policy, now_ms, limit)

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        with self.atomic():
            self._checkpoints.save(checkpoint, owner)

    async def get_checkpoint(self, run_id: str, seq: int) -> StepCheckpoint | None:
        with self.atomic():
            return self._checkpoints.get(run_id, seq)

    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        with self.atomic():
            return self._checkpoints.of_run(run_id)

    async def get_latest_checkpoint_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        with self.atomic():
            return self._checkpoints.latest_by_name(run_id, name)

    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        with self.atomic():
            return self._checkpoints.by_name_prefix(run_id, prefixes)

    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        with self.atomic():
            return self._polls.incomplete(namespace, statuses, lease_expired_ms, limit)

    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        with self.atomic():
            return self._polls.pending(limit, namespace)

    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        with self.atomic():
            return self._polls.due_timers(now_ms, namespace, limit)

    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        with self.atomic():
            return self._polls.claim_pending(owner, lease_until_ms, now_ms, limit, namespace)

    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        with self.atomic():
            return self._polls.claim_due(owner, lease_until_ms, now_ms, limit, namespace)

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        with self.atomic():
            return self._leases.try_lock(run_id, owner, lease_until_ms, now_ms, statuses)

    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        with self.atomic():
            return self._leases.renew(run_id, owner, lease_until_ms)

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        with self.atomic():
            return self._leases.renew_all(locks, lease_until_ms)

    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        with self.atomic():
            self._leases.release(run_id, owner)

    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        with self.atomic():
            self._signals.put_waiter(waiter)

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        with self.atomic():
            return self._signals.take_waiter(token)

    async def list_signal_waiters(self, prefix: str) -> list[SignalWaiter]:
        with self.atomic():
            return self._signals.waiters_by_prefix(prefix)

    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        with self.atomic():
            return self._signals.remove_waiter(waiter)

    async def buffer_signal(self, token: str, payload: Any) -> None:
        with self.atomic():
            self._signals.buffer(token, payload)

    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        with self.atomic():
            return self._signals.take_buffered(token)

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        with self.atomic():
            return self._signals.deliver(token, payload, now)

    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        with self.atomic():
            return self._signals.consume(waiter, now, owner)

    async def buffer_event(self, event: BufferedEvent) -> None:
        with self.atomic():
            self._events.buffer(event)

    async def list_buffered_events(self, name: str, limit: int) -> list[BufferedEvent]:
        with self.atomic():
            return self._events.oldest(name, limit)

    async def remove_buffered_event(self, event_id: str) -> bool:
        with self.atomic():
            return self._events.remove(event_id)

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[T]]) -> T:
        # Driven here rather than awaited: on an event loop, another task of this thread could walk in on a pause.
        with self.atomic():
            under_way = work(_Transaction(self))
            return run_blocking(
                cast("Coroutine[Any, Any, T]", under_way) if inspect.iscoroutine(under_way) else _awaited(under_way)
            )

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        with self.atomic():
            return self._listing.runs(query)

    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        with self.atomic():
            return self._listing.facets(query)


class _Transaction:
    def __init__(self, store: InMemoryStateStore) -> None:
        self._store = store

    @property
    def raw(self) -> None:
        """There is no native handle."""
        return

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await self._store.save_checkpoint(checkpoint, owner=owner)


async def _awaited(work: Awaitable[T]) -> T:
    return await work
