"""AsyncDurable on a real event loop: the same promises, awaited; and nothing left when it is cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from durable_core import (
    AsyncDurable,
    AsyncWorkflowContext,
    BlockingStoreOnEventLoop,
    ConfigurationError,
    InMemoryStateStore,
    InvalidDefinition,
    InvalidInstant,
    RunCancelled,
    StepFailed,
    offload,
)
from durable_core.asyncio_runtime import AsyncioRuntime
from durable_core.testing import FakeRuntime


def on_a_loop(**options: Any) -> Callable[[Callable[[AsyncDurable], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Run the test on a loop of its own; a task that outlives it is a failure."""

    def decorate(test: Callable[[AsyncDurable], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        def running() -> None:
            async def whole() -> None:
                store = offload(InMemoryStateStore())
                try:
                    await test(AsyncDurable(store, **options))
                finally:
                    store.close()
                assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

            asyncio.run(whole())

        running.__name__ = test.__name__
        return running

    return decorate


async def until(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Wait for what other tasks and threads bring about."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the condition lies in the store
            await asyncio.sleep(0.005)


@on_a_loop(poll="20 ms")
async def test_a_run_from_its_start_to_its_result(durable: AsyncDurable) -> None:
    @durable.step
    async def double(n: int) -> int:
        await asyncio.sleep(0.001)
        return n * 2

    @durable.step
    def where() -> str:
        return threading.current_thread().name

    def book(n: int) -> int:
        return n + 1

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext, n: int) -> tuple[int, datetime, Any]:
        n = await ctx.transaction(book, await ctx.step(double, n))
        assert (await ctx.step(where)) != threading.main_thread().name
        now = await ctx.now()
        assert await ctx.side_effect(lambda: 3) == 3
        await ctx.sleep("1 ms")
        return n, now, await ctx.wait_for_signal("go", timeout="1 h")

    async with durable.worker():
        handle = await durable.start(flow, 4, id="r")
        await until(lambda: waits(durable))
        assert await durable.signal("go", "now") is True
        n, now, got = await handle.result("10 s")
    assert (n, got, now.tzinfo) == (9, "now", UTC)
    assert (await durable.get_run("r")).status == "completed"
    assert [run.id for run in await durable.list_runs()] == ["r"]


async def waits(durable: AsyncDurable) -> bool:
    run = await durable.get_run("r")
    return run.status == "suspended" and run.wake_at_ms is not None and run.wake_at_ms > time.time() * 1000 + 60_000


@on_a_loop(poll="10 ms")
async def test_cancelling_a_run_fences_its_turn(durable: AsyncDurable) -> None:
    begun = asyncio.Event()
    go_on = asyncio.Event()

    @durable.step
    async def long() -> None:
        begun.set()
        await go_on.wait()

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        await ctx.step(long)
        return "done"

    async with durable.worker():
        handle = await durable.start(flow)
        await begun.wait()
        assert await handle.cancel() is True
        go_on.set()
        with pytest.raises(RunCancelled):
            await handle.result("5 s")


@on_a_loop(poll="10 ms", grace="50 ms")
async def test_what_outlives_the_grace_period_is_cancelled_and_left_to_its_lease(durable: AsyncDurable) -> None:
    begun = asyncio.Event()
    went_on: list[str] = []

    @durable.step
    async def stuck() -> None:
        begun.set()
        await asyncio.sleep(3600)

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        try:
            await ctx.step(stuck)
        except Exception:
            went_on.append("caught")
        went_on.append("went on")

    async with durable.worker():
        await durable.start(flow, id="r")
        await begun.wait()
    assert went_on == []
    assert (await durable.get_run("r")).status in {"running", "pending"}


@on_a_loop(poll="10 ms")
async def test_a_cancelled_application_drains_its_worker(durable: AsyncDurable) -> None:
    begun = asyncio.Event()

    @durable.step
    async def short() -> None:
        begun.set()
        await asyncio.sleep(0.05)

    @durable.step
    async def never() -> None:
        raise AssertionError("it was begun although the worker stops")

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.step(short)
        await ctx.step(never)

    async def application() -> None:
        async with durable.worker():
            await durable.start(flow, id="r")
            await asyncio.sleep(3600)

    task = asyncio.create_task(application())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run = await durable.get_run("r")
    assert (run.status, run.locked_by, run.recovery_attempts) == ("pending", None, None)


@on_a_loop()
async def test_a_cancelled_wait_for_a_result_leaves_the_run_alone(durable: AsyncDurable) -> None:
    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        return "done"

    handle = await durable.start(flow)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle.result(), 0.05)
    await durable.run_until_idle()
    assert await handle.result("1 s") == "done"


@on_a_loop()
async def test_an_operation_that_is_never_awaited_is_never_begun(durable: AsyncDurable) -> None:
    @durable.step
    async def step() -> int:
        return 1

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> int:
        ctx.step(step).close()
        return await ctx.step(step)

    handle = await durable.start(flow)
    await durable.run_until_idle()
    assert await handle.result("1 s") == 1


@on_a_loop()
async def test_what_a_plain_step_raises_on_its_thread_fails_the_step(durable: AsyncDurable) -> None:
    @durable.step
    def empty() -> int:
        return int(next(iter([])))

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        try:
            await ctx.step(empty)
        except StepFailed as failed:
            return str(failed.code)
        return "?"

    handle = await durable.start(flow)
    async with asyncio.timeout(10):
        await durable.run_until_idle()
    assert await handle.result("1 s") == "RuntimeError"


def test_an_instant_is_refused_where_it_is_asked_for() -> None:
    async def main() -> None:
        store = offload(InMemoryStateStore())
        durable = AsyncDurable(store, runtime=FakeRuntime(blocking=False))

        @durable.workflow()
        async def flow(ctx: AsyncWorkflowContext) -> str:
            with pytest.raises(InvalidInstant, match="naive"):
                ctx.sleep_until(datetime(2030, 1, 1))  # type: ignore[unused-coroutine]  # noqa: DTZ001
            return "done"

        handle = await durable.start(flow)
        await durable.run_until_idle()
        assert await handle.result("1 s") == "done"
        store.close()

    asyncio.run(main())


def test_a_blocking_store_needs_offload() -> None:
    with pytest.raises(BlockingStoreOnEventLoop, match=r"AsyncDurable\(offload\(InMemoryStateStore"):
        AsyncDurable(InMemoryStateStore())


def test_an_async_store_needs_a_runtime_that_waits() -> None:
    store = offload(InMemoryStateStore())
    with pytest.raises(ConfigurationError, match="give it an async runtime"):
        AsyncDurable(store, runtime=FakeRuntime())
    store.close()


def test_a_plain_function_is_no_async_workflow() -> None:
    store = offload(InMemoryStateStore())
    with pytest.raises(InvalidDefinition, match="must be an async def under AsyncDurable"):
        AsyncDurable(store).workflow(name="flow")(print)  # type: ignore[arg-type]
    store.close()


def test_two_waits_of_a_bell_are_two_waits() -> None:
    async def main() -> None:
        bell = AsyncioRuntime().bell()
        bell.ring()
        async with asyncio.timeout(5):
            await bell.wait(60_000)
        waiting = asyncio.create_task(bell.wait(60_000))
        await asyncio.sleep(0)
        threading.Thread(target=bell.ring).start()
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(main())
