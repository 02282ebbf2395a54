"""A blocking store behind an async door: one thread hop per whole store method, never inside a transaction."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import datetime
from typing import Any, Literal, ParamSpec, TypeVar

from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError
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
from durable_core.store import BlockingStateStore, StateStore, StoreTransaction

__all__ = ["OffloadedStore", "offload"]

P = ParamSpec("P")
T = TypeVar("T")


def offload(store: BlockingStateStore, *, threads: int = 8) -> OffloadedStore:
    """*store* for an application on an event loop, on at most *threads* threads of its own.

    Give a database with a pool as many connections as *threads*. A call never joins a transaction that the caller has
    open on the event loop's thread: put what belongs into one commit into the `work` of `transaction`.
    """
    return OffloadedStore(store, threads)


class OffloadedStore:
    """A `StateStore` that really awaits, around one that blocks.

    Each call runs from beginning to end on one thread and connects there, if the host's database is not connected on
    that thread already, and lets go again. So does the `work` of `transaction`, which therefore must not await for
    real: `SuspendedError` says so. Inside it, calls of this store join the transaction, without another hop.

    A cancelled call that no thread has begun never happens. One that has begun goes on to its end, and only then is
    the cancellation raised: it was done or it failed, never half of it, and never behind the back of what follows.
    """

    blocking: Literal[False] = False

    def __init__(self, store: BlockingStateStore, threads: int) -> None:
        inner: StateStore = store
        if not inner.blocking:
            raise ConfigurationError(
                f"offload() is for blocking stores, and {type(store).__name__} awaits by itself: "
                "give it to AsyncDurable as it is"
            )
        if threads < 1:
            raise ConfigurationError(f"offload() needs one thread or more, got {threads}")
        self._store = store
        self._here = _Here()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="durable-store")

    def close(self) -> None:
        """Wait for the calls under way and let the threads go; later calls raise `ConfigurationError`."""
        self._pool.shutdown()

    async def ensure_schema(self) -> None:
        await self._hop(self._store.ensure_schema)

    async def verify_schema(self) -> None:
        await self._hop(self._store.verify_schema)

    def connected(self) -> AbstractAsyncContextManager[None]:
        """Nothing: each call connects on the thread that it runs on."""
        return nullcontext()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* when the transaction whose `work` calls this has committed; now anywhere else."""
        if self._here.is_hop:
            self._store.on_commit(callback)
        else:
            callback()

    async def create_run(self, run: WorkflowRun) -> bool:
        return await self._hop(self._store.create_run, run)

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        return await self._hop(self._store.update_run, run_id, patch, expect=expect)

    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        return await self._hop(self._store.suspend_run, run_id, owner, wake_at_ms, now)

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await self._hop(self._store.end_run, run_id, patch, expect=expect)

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        return await self._hop(self._store.get_run, run_id, latest=latest)

    async def delete_run(self, run_id: str) -> None:
        await self._hop(self._store.delete_run, run_id)

    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        return await self._hop(self._store.prune_terminal_runs, policy, now_ms, limit)

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await self._hop(self._store.save_checkpoint, checkpoint, owner=owner)

    async def get_checkpoint(self, run_id: str, seq: int) -> StepCheckpoint | None:
        return await self._hop(self._store.get_checkpoint, run_id, seq)

    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        return await self._hop(self._store.list_checkpoints, run_id)

    async def get_latest_checkpoint_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        return await self._hop(self._store.get_latest_checkpoint_by_name, run_id, name)

    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        return await self._hop(self._store.list_checkpoints_by_name_prefix, run_id, prefixes)

    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        return await self._hop(
            self._store.list_incomplete_runs,
            namespace,
            statuses=statuses,
            lease_expired_ms=lease_expired_ms,
            limit=limit,
        )

    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        return await self._hop(self._store.list_pending_runs, limit, namespace)

    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        return await self._hop(self._store.list_due_timers, now_ms, namespace, limit=limit)

    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await self._hop(self._store.claim_runs, owner, lease_until_ms, now_ms, limit, namespace)

    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        return await self._hop(self._store.claim_due_runs, owner, lease_until_ms, now_ms, limit, namespace)

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        return await self._hop(self._store.try_lock_run, run_id, owner, lease_until_ms, now_ms, statuses=statuses)

    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        return await self._hop(self._store.renew_run_lock, run_id, owner, lease_until_ms)

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        return await self._hop(self._store.renew_run_locks, locks, lease_until_ms)

    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        await self._hop(self._store.release_run_lock, run_id, owner)

    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        await self._hop(self._store.put_signal_waiter, waiter)

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return await self._hop(self._store.take_signal_waiter, token)

    async def list_signal_waiters(self, prefix: str) -> list[SignalWaiter]:
        return await self._hop(self._store.list_signal_waiters, prefix)

    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        return await self._hop(self._store.remove_signal_waiter, waiter)

    async def buffer_signal(self, token: str, payload: Any) -> None:
        await self._hop(self._store.buffer_signal, token, payload)

    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        return await self._hop(self._store.take_buffered_signal, token)

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        return await self._hop(self._store.deliver_signal, token, payload, now)

    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        return await self._hop(self._store.consume_buffered_signal, waiter, now, owner=owner)

    async def buffer_event(self, event: BufferedEvent) -> None:
        await self._hop(self._store.buffer_event, event)

    async def list_buffered_events(self, name: str, limit: int) -> list[BufferedEvent]:
        return await self._hop(self._store.list_buffered_events, name, limit)

    async def remove_buffered_event(self, event_id: str) -> bool:
        return await self._hop(self._store.remove_buffered_event, event_id)

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[T]]) -> T:
        return await self._hop(self._store.transaction, work)

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await self._hop(self._store.list_runs, query)

    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        return await self._hop(self._store.run_facets, query)

    async def _hop(self, method: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._here.is_hop:
            return await method(*args, **kwargs)

        async def whole() -> T:
            async with self._store.connected():
                return await method(*args, **kwargs)

        def drive() -> T:
            self._here.is_hop = True
            try:
                return run_blocking(whole())
            finally:
                self._here.is_hop = False

        context = contextvars.copy_context()
        try:
            call = self._pool.submit(context.run, drive)
        except RuntimeError as error:
            raise ConfigurationError("this offloaded store was closed: offload() the inner store again") from error
        return await _to_its_end(call)


class _Here(threading.local):
    """What is true of the current thread."""

    is_hop: bool = False


async def _to_its_end(call: Future[T]) -> T:
    waiting = asyncio.wrap_future(call)
    try:
        await asyncio.wait([waiting])
    except asyncio.CancelledError:
        if not call.cancel():
            await _ended(waiting)
        raise
    return waiting.result()


async def _ended(waiting: asyncio.Future[Any]) -> None:
    while not waiting.done():
        # Being cancelled again changes nothing: the thread cannot be stopped, and the first one is raised after it.
        with suppress(asyncio.CancelledError):
            await asyncio.wait([waiting])
    waiting.exception()
