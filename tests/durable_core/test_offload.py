from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError, LeaseLost, SuspendedError
from durable_core.memory import InMemoryStateStore
from durable_core.offload import OffloadedStore, offload
from durable_core.records import StepCheckpoint, WorkflowRun
from durable_core.store import StoreTransaction
from durable_core_samples import a_checkpoint, a_run


class WatchedStore(InMemoryStateStore):
    """Tells on which threads it works and what is connected there; a call can be held up half-way."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []
        self.connected_now = 0
        self.most_at_once = 0
        self.contexts: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self._counting = threading.Lock()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        with self._counting:
            self.connected_now += 1
            self.most_at_once = max(self.most_at_once, self.connected_now)
        try:
            yield
        finally:
            with self._counting:
                self.connected_now -= 1

    async def create_run(self, run: WorkflowRun) -> bool:
        assert self.connected_now
        self.threads.append(threading.current_thread())
        self.contexts.append(_REQUEST.get())
        self.begun.release()
        assert self.go_on.wait(timeout=30)
        return await super().create_run(run)

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        self.threads.append(threading.current_thread())
        await super().save_checkpoint(checkpoint, owner=owner)


_REQUEST = contextvars.ContextVar("_REQUEST", default="none")


@pytest.fixture
def inner() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def store(inner: WatchedStore) -> Iterator[OffloadedStore]:
    offloaded = offload(inner, threads=2)
    yield offloaded
    inner.go_on.set()
    offloaded.close()


def test_calls_run_on_threads_of_its_own_and_connect_there(inner: WatchedStore, store: OffloadedStore) -> None:
    assert asyncio.run(store.create_run(a_run())) is True
    assert asyncio.run(store.create_run(a_run())) is False
    run = asyncio.run(store.get_run("r"))
    assert run == run_blocking(inner.get_run("r"))
    assert inner.connected_now == 0
    assert all(thread.name.startswith("durable-store") for thread in inner.threads)


def test_no_more_threads_than_asked_for(inner: WatchedStore, store: OffloadedStore) -> None:
    async def many() -> list[bool]:
        inner.go_on.clear()
        calls = asyncio.gather(*(store.create_run(a_run(str(number))) for number in range(6)))
        for _ in range(2):
            assert await asyncio.to_thread(inner.begun.acquire, timeout=30)
        assert not inner.begun.acquire(blocking=False)
        inner.go_on.set()
        return await calls

    assert asyncio.run(many()) == [True] * 6
    assert (len(set(inner.threads)), inner.most_at_once) == (2, 2)


def test_the_event_loop_goes_on_meanwhile(inner: WatchedStore, store: OffloadedStore) -> None:
    async def beside() -> bool:
        inner.go_on.clear()
        call = asyncio.create_task(store.create_run(a_run()))
        assert await asyncio.to_thread(inner.begun.acquire, timeout=30)
        assert not call.done()
        inner.go_on.set()
        return await call

    assert asyncio.run(beside()) is True


def test_errors_come_back_as_they_are(store: OffloadedStore) -> None:
    with pytest.raises(LeaseLost):
        asyncio.run(store.save_checkpoint(a_checkpoint(), owner="nobody"))


def test_the_callers_context_goes_along(inner: WatchedStore, store: OffloadedStore) -> None:
    async def in_request() -> None:
        _REQUEST.set("of this task")
        await store.create_run(a_run())

    asyncio.run(in_request())
    assert inner.contexts == ["of this task"]


def test_a_transaction_is_one_hop_and_calls_inside_it_join(inner: WatchedStore, store: OffloadedStore) -> None:
    told: list[str] = []

    async def work(tx: StoreTransaction) -> str:
        inner.threads.append(threading.current_thread())
        store.on_commit(lambda: told.append("committed"))
        await tx.save_checkpoint(a_checkpoint())
        await store.create_run(a_run())
        assert told == []
        return "result"

    assert asyncio.run(store.transaction(work)) == "result"
    assert len(set(inner.threads)) == 1
    assert len(inner.threads) == 3
    assert told == ["committed"]
    assert asyncio.run(store.get_checkpoint("r", 0)) == a_checkpoint()


def test_a_failing_transaction_takes_everything_back(store: OffloadedStore) -> None:
    told: list[str] = []

    async def work(tx: StoreTransaction) -> None:
        store.on_commit(lambda: told.append("committed"))
        await tx.save_checkpoint(a_checkpoint())
        await store.create_run(a_run())
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(store.transaction(work))
    assert asyncio.run(store.get_checkpoint("r", 0)) is None
    assert asyncio.run(store.get_run("r")) is None
    assert told == []


def test_work_that_really_awaits_is_told_so_and_rolled_back(store: OffloadedStore) -> None:
    async def work(tx: StoreTransaction) -> None:
        await tx.save_checkpoint(a_checkpoint())
        await asyncio.sleep(0)

    with pytest.raises(SuspendedError, match="make the function a plain def"):
        asyncio.run(store.transaction(work))
    assert asyncio.run(store.get_checkpoint("r", 0)) is None


def test_outside_of_a_transaction_a_callback_is_called_now(store: OffloadedStore) -> None:
    told: list[str] = []
    store.on_commit(lambda: told.append("now"))
    assert told == ["now"]


def test_connected_is_for_whoever_asks_and_does_nothing(inner: WatchedStore, store: OffloadedStore) -> None:
    async def connected() -> int:
        async with store.connected():
            return inner.connected_now

    assert asyncio.run(connected()) == 0


def test_a_cancelled_call_ends_before_the_cancellation_is_raised(inner: WatchedStore, store: OffloadedStore) -> None:
    async def cancel() -> None:
        inner.go_on.clear()
        call = asyncio.create_task(store.create_run(a_run()))
        assert await asyncio.to_thread(inner.begun.acquire, timeout=30)
        for _ in range(3):  # again and again: the thread cannot be stopped
            call.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not call.done()
        inner.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert run_blocking(inner.get_run("r")) is not None

    asyncio.run(cancel())
    assert inner.connected_now == 0


def test_a_cancelled_call_that_fails_is_still_a_cancelled_one(
    inner: WatchedStore, store: OffloadedStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel() -> None:
        inner.go_on.clear()
        call = asyncio.create_task(store.create_run(a_run(input={1})))
        assert await asyncio.to_thread(inner.begun.acquire, timeout=30)
        call.cancel()
        inner.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
    gc.collect()
    assert caplog.text == ""  # asyncio complains of errors that nobody looked at


def test_a_cancelled_call_that_no_thread_has_begun_never_happens(inner: WatchedStore, store: OffloadedStore) -> None:
    async def cancel() -> None:
        inner.go_on.clear()
        busy = [asyncio.create_task(store.create_run(a_run(f"busy{number}"))) for number in range(2)]
        for _ in busy:
            assert await asyncio.to_thread(inner.begun.acquire, timeout=30)
        queued = asyncio.create_task(store.create_run(a_run("queued")))
        await asyncio.sleep(0)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        inner.go_on.set()
        assert await asyncio.gather(*busy) == [True, True]

    asyncio.run(cancel())
    store.close()
    assert run_blocking(inner.get_run("queued")) is None


def test_a_timeout_around_a_call_is_a_timeout(inner: WatchedStore, store: OffloadedStore) -> None:
    async def timed_out() -> None:
        inner.go_on.clear()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as deadline:
            call = asyncio.create_task(asyncio.to_thread(inner.begun.acquire, timeout=30))
            call.add_done_callback(lambda _: deadline.reschedule(loop.time()))
            call.add_done_callback(lambda _: loop.call_soon(inner.go_on.set))
            await store.create_run(a_run())

    with pytest.raises(TimeoutError):
        asyncio.run(timed_out())
    assert run_blocking(inner.get_run("r")) is not None


def test_closing_waits_for_calls_and_refuses_later_ones(inner: WatchedStore, store: OffloadedStore) -> None:
    assert asyncio.run(store.create_run(a_run())) is True
    store.close()
    assert not any(thread.is_alive() for thread in inner.threads)
    with pytest.raises(ConfigurationError, match="was closed"):
        asyncio.run(store.get_run("r"))


def test_a_store_that_is_not_blocking_is_refused(store: OffloadedStore) -> None:
    awaiting: Any = store
    with pytest.raises(ConfigurationError, match="OffloadedStore awaits by itself: give it to AsyncDurable as it is"):
        offload(awaiting)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_pool_without_threads_is_refused(inner: WatchedStore, threads: int) -> None:
    with pytest.raises(ConfigurationError, match="one thread or more"):
        offload(inner, threads=threads)
