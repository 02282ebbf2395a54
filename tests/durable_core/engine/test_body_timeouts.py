"""asyncio's timeouts around calls of a body: found, explained, and harmless until they are mended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import AsyncWorkflowContext, StepFailed

Body = Callable[[AsyncWorkflowContext, Callable[[AsyncWorkflowContext], Coroutine[Any, Any, Any]]], Any]


async def waited_for(ctx: AsyncWorkflowContext, call: Any) -> Any:
    return await asyncio.wait_for(call(ctx), 0.01)


async def in_a_block(ctx: AsyncWorkflowContext, call: Any) -> Any:
    async with asyncio.timeout(0.01):
        return await call(ctx)


async def around_a_gather(ctx: AsyncWorkflowContext, call: Any) -> Any:
    async with asyncio.timeout(0.01):
        return (await asyncio.gather(call(ctx)))[0]


async def around_a_group(ctx: AsyncWorkflowContext, call: Any) -> Any:
    async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
        task = group.create_task(call(ctx))
    return task.result()


async def in_a_gather(ctx: AsyncWorkflowContext, call: Any) -> Any:
    return (await asyncio.gather(asyncio.wait_for(call(ctx), 0.01)))[0]


async def caught(ctx: AsyncWorkflowContext, call: Any) -> Any:
    try:
        return await asyncio.wait_for(call(ctx), 0.01)
    except TimeoutError:
        return "gave up"


TIMEOUTS = pytest.mark.parametrize(
    "body", [waited_for, in_a_block, around_a_gather, around_a_group, in_a_gather, caught], ids=lambda one: one.__name__
)


@TIMEOUTS
@on_a_loop
async def test_a_step_goes_on_to_its_end_and_the_run_is_blocked_with_the_place(world: AsyncWorld, body: Any) -> None:
    @world.durable.step
    async def slow() -> str:
        world.log.append("begins")
        await asyncio.sleep(0.05)
        world.log.append("ends")
        return "slow"

    async def flow(ctx: AsyncWorkflowContext) -> Any:
        return await body(ctx, lambda ctx: ctx.step(slow))

    handle = await world.start(world.durable.workflow(name="flow")(flow))
    run = await world.run()
    assert (run.status, run.locked_by) == ("blocked", None)
    assert run.error is not None
    assert run.error.code == "UnreplayableTimeout"
    assert f"test_body_timeouts:{slow.function.__code__.co_firstlineno + 8}" in run.error.message
    assert "wait_for_signal(token, timeout=...)" in run.error.message
    assert ("wait_for()" in run.error.message) == (body in (waited_for, in_a_gather, caught))

    await world.later("5 s")
    assert await handle.result("1 s") == "slow"
    assert world.log == ["begins", "ends"]


@TIMEOUTS
@on_a_loop
async def test_a_wait_under_a_timeout_is_told_of_before_it_runs_out(world: AsyncWorld, body: Any) -> None:
    async def flow(ctx: AsyncWorkflowContext) -> Any:
        return await body(ctx, lambda ctx: ctx.wait_for_signal("go"))

    handle = await world.start(world.durable.workflow(name="flow")(flow))
    run = await world.run()
    assert (run.status, run.error and run.error.code) == ("blocked", "UnreplayableTimeout")

    mended = world.process()

    @mended.workflow(name="flow")
    async def mended_flow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.wait_for_signal("go")

    world.runtime.advance("5 s")
    await mended.run_until_idle()
    assert ((await world.run()).status, (await world.run()).error) == ("suspended", None)
    await mended.signal("go", "gone")
    await mended.run_until_idle()
    assert await handle.result("1 s") == "gone"


@on_a_loop
async def test_a_timeout_inside_a_step_is_the_steps_own_business(world: AsyncWorld) -> None:
    @world.durable.step(max_attempts=2, backoff="0 s")
    async def step() -> str:
        world.log.append("attempt")
        if len(world.log) == 1:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        return await asyncio.wait_for(asyncio.sleep(0, "in time"), 5)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        return await ctx.step(step)

    handle = await world.start(flow)
    assert await handle.result("1 s") == "in time"
    assert world.log == ["attempt", "attempt"]


@on_a_loop
async def test_timeouts_that_stand_beside_the_calls_are_none_of_ours(world: AsyncWorld) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        async with asyncio.timeout(None):
            await ctx.sleep("1 h")
        return "done"

    handle = await world.durable.start(flow, id="r")
    async with asyncio.timeout(30):  # of the application, around the worker
        await world.durable.run_until_idle()
    assert (await world.run()).status == "suspended"
    await world.later("1 h")
    assert await handle.result("1 s") == "done"


@on_a_loop
async def test_a_timeout_that_runs_out_while_a_neighbour_works_is_told_of_all_the_same(world: AsyncWorld) -> None:
    @world.durable.step
    async def slow() -> None:
        await asyncio.sleep(0.05)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(asyncio.wait_for(ctx.wait_for_signal("go"), 0.01), ctx.step(slow))

    await world.start(flow)
    run = await world.run()
    assert (run.status, run.error and run.error.code) == ("blocked", "UnreplayableTimeout")
    assert await world.names() == [(2, "slow")]


@on_a_loop
async def test_a_group_that_gives_up_under_a_timeout_that_has_not_run_out(world: AsyncWorld) -> None:
    @world.durable.step
    async def fails() -> None:
        raise LookupError("no")

    go_on = asyncio.Event()
    slow = world.step("slow", go_on)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(ctx.step(fails))
                group.create_task(ctx.step(slow))
        except* StepFailed:
            pass
        return "made up for"

    handle = await world.start(flow)
    assert await handle.result("1 s") == "made up for"
