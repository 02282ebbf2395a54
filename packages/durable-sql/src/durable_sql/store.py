"""The state store over any SQL session: every method of `StateStore`, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, TypeVar

from durable_core.codec import Codec, JsonCodec
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
from durable_sql.rows import Rows
from durable_sql.schema.ensure import ensure_schema, verify_schema
from durable_sql.session import Session
from durable_sql.store_checkpoints import Checkpoints
from durable_sql.store_events import Events
from durable_sql.store_leases import Leases
from durable_sql.store_listing import Listing
from durable_sql.store_polls import Polls
from durable_sql.store_retention import Retention
from durable_sql.store_retries import retried
from durable_sql.store_runs import Runs
from durable_sql.store_signals import Signals

__all__ = ["SqlStateStore"]

T = TypeVar("T")


class SqlStateStore:
    """Keeps runs in the six ``durable_*`` tables of the host's database.

    An adapter hands it a session. Every call joins the transaction that is open there; one that was rolled back
    because of others is retried when none is.
    """

    def __init__(self, session: Session, codec: Codec | None = None) -> None:
        self._session = session
        rows = Rows(JsonCodec() if codec is None else codec)
        self._runs = Runs(session, rows)
        self._checkpoints = Checkpoints(session, rows)
        self._polls = Polls(session, rows)
        self._leases = Leases(session)
        self._signals = Signals(session, rows)
        self._events = Events(session, rows)
        self._listing = Listing(session, rows)
        self._retention = Retention(session)

    @property
    def blocking(self) -> bool:
        """Whether awaits of this store never suspend."""
        return self._session.blocking

    @property
    def session(self) -> Session:
        """What the store runs its statements on."""
        return self._session

    def connected(self) -> AbstractAsyncContextManager[None]:
        return self._session.connected()

    def on_commit(self, callback: Callable[[], None]) -> None:
        self._session.on_commit(callback)

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[T]]) -> T:
        async with self._session.transaction():
            return await work(_Transaction(self._session, self._checkpoints))

    @retried
    async def ensure_schema(self) -> None:
        await ensure_schema(self._session)

    @retried
    async def verify_schema(self) -> None:
        await verify_schema(self._session)

    @retried
    async def create_run(self, run: WorkflowRun) -> bool:
        return await self._runs.create(run)

    @retried
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        return await self._runs.update(run_id, patch, expect)

    @retried
    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        return await self._runs.suspend(run_id, owner, wake_at_ms, now)

    @retried
    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await self._runs.end(run_id, patch, expect)

    @retried
    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        return await self._runs.get(run_id, latest=latest)

    @retried
    async def delete_run(self, run_id: str) -> None:
        await self._runs.delete(run_id)

    @retried
    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        return await self._retention.prune(policy, now_ms, limit)

    @retried
    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await self._checkpoints.save(checkpoint, owner)

    @retried
    async def get_checkpoint(self, run_id: str, seq: int) -> StepCheckpoint | None:
        return await self._checkpoints.get(run_id, seq)

    @retried
    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        return await self._checkpoints.of_run(run_id)

    @retried
    async def get_latest_checkpoint_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        return await self._checkpoints.latest_by_name(run_id, name)

    @retried
    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        return await self._checkpoints.by_name_prefix(run_id, prefixes)

    @retried
    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        return await self._polls.incomplete(namespace, statuses, lease_expired_ms, limit)

    @retried
    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        return await self._polls.pending(limit, namespace)

    @retried
    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await self._polls.due_timers(now_ms, namespace, limit)

    @retried
    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await self._polls.claim_pending(owner, lease_until_ms, now_ms, limit, namespace)

    @retried
    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await self._polls.claim_due(owner, lease_until_ms, now_ms, limit, namespace)

    @retried
    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        return await self._leases.try_lock(run_id, owner, lease_until_ms, now_ms, statuses)

    @retried
    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        return await self._leases.renew(run_id, owner, lease_until_ms)

    @retried
    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        return await self._leases.renew_all(locks, lease_until_ms)

    @retried
    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        await self._leases.release(run_id, owner)

    @retried
    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        await self._signals.put_waiter(waiter)

    @retried
    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return await self._signals.take_waiter(token)

    @retried
    async def list_signal_waiters(self, prefix: str) -> list[SignalWaiter]:
        return await self._signals.waiters_by_prefix(prefix)

    @retried
    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        return await self._signals.remove_waiter(waiter)

    @retried
    async def buffer_signal(self, token: str, payload: Any) -> None:
        await self._signals.buffer(token, payload)

    @retried
    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        return await self._signals.take_buffered(token)

    @retried
    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        return await self._signals.deliver(token, payload, now)

    @retried
    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        return await self._signals.consume(waiter, now, owner)

    @retried
    async def buffer_event(self, event: BufferedEvent) -> None:
        await self._events.buffer(event)

    @retried
    async def list_buffered_events(self, name: str, limit: int) -> list[BufferedEvent]:
        return await self._events.oldest(name, limit)

    @retried
    async def remove_buffered_event(self, event_id: str) -> bool:
        return await self._events.remove(event_id)

    @retried
    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await self._listing.runs(query)

    @retried
    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        return await self._listing.facets(query)


class _Transaction:
    def __init__(self, session: Session, checkpoints: Checkpoints) -> None:
        self._session = session
        self._checkpoints = checkpoints

    @property
    def raw(self) -> Any:
        """The session's native handle."""
        return self._session.raw

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await self._checkpoints.save(checkpoint, owner)
