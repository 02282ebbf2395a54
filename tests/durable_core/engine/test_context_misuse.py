"""ctx where it cannot work: inside a step, on another thread, after its turn. Refused at once, every time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import (
    AsyncDurable,
    AsyncWorkflowContext,
    ContextMisused,
    InMemoryStateStore,
    RunFailed,
    StepFailed,
    WorkflowContext,
    offload,
)
from durable_core.testing import FakeRuntime
from durable_world import World

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "step": lambda ctx, step: ctx.step(step),
    "transaction": lambda ctx, step: ctx.transaction(step),
    "sleep": lambda ctx, step: ctx.sleep("1 s"),
    "now": lambda ctx, step: ctx.now(),
    "side_effect": lambda ctx, step: ctx.side_effect(lambda: 1),
    "wait_for_signal": lambda ctx, step: ctx.wait_for_signal("go"),
}
ANY_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@ANY_CALL
def test_a_call_inside_a_step(call: Any) -> None:
    world = World()
    seen: list[Any] = []

    @world.durable.step
    def inner() -> None:
        raise AssertionError("it was run")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        @world.durable.step(max_attempts=3)
        def outer() -> None:
            seen.append(ctx.run_id)  # what is known of the run may be read anywhere
            call(ctx, inner)

        ctx.step(outer)

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    with pytest.raises(RunFailed, match=r"step 'outer' failed after 1 attempt") as failed:
        handle.result("1 s")
    assert failed.value.code == "ContextMisused"
    line = flow.body.__code__.co_firstlineno + 7
    assert f"test_context_misuse:{call.__code__.co_firstlineno} inside the call at " in str(failed.value)
    assert f"test_context_misuse:{line}: the code of a step is not replayed" in str(failed.value)
    assert (world.names("r"), seen) == ([(0, "outer")], ["r"])


@pytest.mark.parametrize("way", ["transaction", "side_effect"])
def test_a_call_inside_a_transaction_or_a_side_effect(way: str) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        def function() -> None:
            ctx.now()

        with pytest.raises(StepFailed if way == "transaction" else ContextMisused, match="so it cannot use ctx"):
            ctx.transaction(function) if way == "transaction" else ctx.side_effect(function)
        ctx.now()
        return "done"

    handle = world.durable.start(flow)
    world.durable.run_until_idle()
    assert handle.result("1 s") == "done"


@pytest.mark.parametrize("kind", ["coroutine", "plain", "in a task", "made outside"])
@ANY_CALL
@on_a_loop
async def test_a_call_inside_an_async_step(world: AsyncWorld, call: Any, kind: str) -> None:
    inner = world.step("inner")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        made = call(ctx, inner) if kind == "made outside" else None

        async def outer() -> None:
            if kind == "in a task":

                async def task() -> None:
                    await call(ctx, inner)

                await asyncio.create_task(task())
            else:
                await (call(ctx, inner) if made is None else made)

        def plain() -> None:
            call(ctx, inner)

        step = world.process().step(plain if kind == "plain" else outer)
        await ctx.step(step)

    handle = await world.start(flow)
    with pytest.raises(RunFailed, match="so it cannot use ctx") as failed:
        await handle.result("1 s")
    assert failed.value.code == "ContextMisused"
    assert [name for _, name in await world.names()] == ["plain" if kind == "plain" else "outer"]
    assert world.log == []


def test_a_call_inside_an_offloaded_transaction() -> None:
    async def main() -> None:
        store = offload(InMemoryStateStore())
        durable = AsyncDurable(store)

        @durable.workflow()
        async def flow(ctx: AsyncWorkflowContext) -> None:
            def book() -> Any:
                return ctx.now()

            await ctx.transaction(book)

        handle = await durable.start(flow)
        await durable.run_until_idle()
        with pytest.raises(RunFailed, match="inside the call at"):
            await handle.result("1 s")
        store.close()

    asyncio.run(main())


@ANY_CALL
@pytest.mark.parametrize("copied", [False, True], ids=["bare", "with the context"])
def test_a_call_on_another_thread(call: Any, copied: bool) -> None:
    world = World()
    step = world.durable.step(name="step")(lambda: None)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        context = copy_context()
        with ThreadPoolExecutor(1) as pool, pytest.raises(ContextMisused, match="on another thread than the workflow"):
            pool.submit(context.run if copied else _run, call, ctx, step).result()
        ctx.step(step)
        return "done"

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert handle.result("1 s") == "done"
    assert world.names("r") == [(0, "step")]


def _run(call: Any, *args: Any) -> Any:
    return call(*args)


@on_a_loop
async def test_an_async_call_on_another_thread(world: AsyncWorld) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        with pytest.raises(ContextMisused, match="on another thread"):
            await asyncio.to_thread(lambda: ctx.sleep("1 s"))  # type: ignore[unused-coroutine]
        return "done"

    handle = await world.start(flow)
    assert await handle.result("1 s") == "done"


@ANY_CALL
def test_a_call_after_the_turn(call: Any) -> None:
    world = World()
    kept: list[WorkflowContext] = []
    step = world.durable.step(name="step")(lambda: None)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        kept.append(ctx)

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    with pytest.raises(ContextMisused, match="after its turn had ended"):
        call(kept[0], step)
    assert world.names("r") == []


@on_a_loop
async def test_a_call_made_in_time_and_awaited_too_late(world: AsyncWorld) -> None:
    kept: list[Any] = []
    step = world.step("step")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        kept.append(ctx.step(step))

    await world.start(flow)
    with pytest.raises(ContextMisused, match="after its turn had ended"):
        await kept[0]
    assert (await world.names(), world.log) == ([], [])


def test_a_run_that_is_served_inside_a_step_of_another() -> None:
    world = World()

    @world.durable.step
    def inner() -> str:
        return threading.current_thread().name

    @world.durable.workflow(name="inner")
    def inner_flow(ctx: WorkflowContext) -> str:
        return ctx.step(inner)

    @world.durable.step
    def outer() -> str:
        other = world.process()
        step = other.step(name="inner")(lambda: "inner")
        other.workflow(name="inner")(lambda ctx: ctx.step(step))
        handle = other.start("inner")
        other.run_until_idle()
        return str(handle.result("1 s"))

    @world.durable.workflow(name="outer")
    def flow(ctx: WorkflowContext) -> str:
        return ctx.step(outer)

    handle = world.durable.start(flow)
    world.durable.run_until_idle()
    assert handle.result("1 s") == "inner"


@on_a_loop
async def test_a_plain_transaction_over_a_store_that_awaits(world: AsyncWorld) -> None:
    ran: list[int] = []

    def book() -> int:
        ran.append(1)
        return 1

    def returns_an_awaitable() -> Any:
        return world.store.buffer_signal("booked", 1)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.transaction(returns_an_awaitable)
        await ctx.transaction(book)

    handle = await world.start(flow)
    with pytest.raises(RunFailed, match="make it an async def") as failed:
        await handle.result("1 s")
    assert failed.value.code == "InvalidDefinition"
    assert (await world.store.take_buffered_signal("booked")).payload == 1


def test_the_fake_runtime_serves_both_doors() -> None:
    assert FakeRuntime().scope().cancelled is False
