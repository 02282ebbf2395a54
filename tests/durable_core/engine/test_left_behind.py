"""Nothing that a body has begun outlives its turn, however it ends; what its steps began belongs to the application."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import AsyncWorkflowContext, StepFailed
from durable_core.records import RunPatch


async def nothing_left(world: AsyncWorld) -> None:
    """The turn is over, and so is everything in it."""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert world.log[-1:] == ["foreign ends"], world.log


def foreign(world: AsyncWorld) -> Any:
    """Something in a body that is no call of ctx, and lasts."""

    async def wait() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            world.log.append("foreign ends")

    return wait()


async def gathered(ctx: AsyncWorkflowContext, *operations: Any) -> None:
    await asyncio.gather(*operations)


async def grouped(ctx: AsyncWorkflowContext, *operations: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for operation in operations:
            group.create_task(operation)


async def as_completed(ctx: AsyncWorkflowContext, *operations: Any) -> None:
    for ended in asyncio.as_completed(operations):
        await ended


async def left_alone(ctx: AsyncWorkflowContext, *operations: Any) -> None:
    tasks = [asyncio.create_task(operation) for operation in operations]
    await ctx.sleep("2 h")
    await asyncio.wait(tasks)


WAYS = pytest.mark.parametrize("way", [gathered, grouped, as_completed, left_alone], ids=lambda one: one.__name__)


@WAYS
@on_a_loop
async def test_when_the_run_is_parked(world: AsyncWorld, way: Any, caplog: pytest.LogCaptureFixture) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await way(ctx, ctx.sleep("1 h"), ctx.wait_for_signal("never"), foreign(world))

    await world.start(flow)
    await nothing_left(world)
    assert (await world.run()).status == "suspended"
    gc.collect()  # asyncio complains of an exception that nobody looked at when its task is collected
    assert "never retrieved" not in caplog.text


@WAYS
@on_a_loop
async def test_when_a_step_fails(world: AsyncWorld, way: Any) -> None:
    @world.durable.step
    async def fails() -> None:
        raise LookupError("no")

    slow = world.step("slow")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        if way is left_alone:
            await left_alone(ctx, foreign(world))
        await way(ctx, ctx.step(fails), ctx.step(slow), foreign(world))

    await world.start(flow)
    await nothing_left(world)
    assert (await world.run()).status == ("suspended" if way is left_alone else "failed")


@WAYS
@on_a_loop
async def test_when_the_run_is_handed_over(world: AsyncWorld, way: Any) -> None:
    @world.durable.step
    async def last() -> None:
        loop.stop()

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.now()

        async def more() -> None:
            await ctx.step(last)
            await ctx.step(last)

        await way(ctx, more(), foreign(world))

    loop = world.durable.worker_loop(concurrency=1)
    await world.durable.start(flow, id="r")
    await loop.run()
    await nothing_left(world)
    run = await world.run()
    assert (run.status, run.locked_by) == ("pending", None)


@WAYS
@on_a_loop
async def test_when_the_lease_is_lost(world: AsyncWorld, way: Any) -> None:
    @world.durable.step
    async def steal() -> None:
        await world.store.update_run("r", RunPatch(locked_by="thief", locked_until_ms=10**13))

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await way(ctx, ctx.step(steal), foreign(world))

    await world.start(flow)
    await nothing_left(world)
    assert (await world.run()).locked_by == "thief"


@WAYS
@on_a_loop
async def test_when_the_turn_is_cancelled(world: AsyncWorld, way: Any) -> None:
    begun = asyncio.Event()

    @world.durable.step
    async def stuck() -> None:
        begun.set()
        await asyncio.sleep(60)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await way(ctx, ctx.step(stuck), foreign(world))

    await world.durable.start(flow, id="r")
    turn = asyncio.create_task(world.durable.run_until_idle())
    await begun.wait()
    turn.cancel()
    await asyncio.wait([turn])
    assert turn.cancelled()
    await nothing_left(world)


@on_a_loop
async def test_when_the_body_ends_without_waiting(world: AsyncWorld) -> None:
    slow = world.step("slow")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        tasks = [asyncio.create_task(one) for one in (ctx.step(slow), foreign(world))]
        await asyncio.sleep(0.01)
        return f"done, and left {len(tasks)}"

    handle = await world.start(flow)
    await nothing_left(world)
    assert await handle.result("1 s") == "done, and left 2"


@on_a_loop
async def test_what_a_step_has_begun_lives_on(world: AsyncWorld) -> None:
    pool: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def connection() -> AsyncIterator[None]:
        if not pool:
            pool.append(asyncio.create_task(asyncio.sleep(3600)))
        yield

    @world.durable.step
    async def step() -> None:
        async with connection():
            pass

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.step(step), ctx.sleep("1 h"))

    await world.start(flow)
    assert (await world.run()).status == "suspended"
    assert not pool[0].done()
    pool[0].cancel()
    await asyncio.wait(pool)


@on_a_loop
async def test_what_will_not_end_is_told_of_and_left(world: AsyncWorld, caplog: pytest.LogCaptureFixture) -> None:
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.sleep("1 h"), stubborn())

    await world.start(flow)
    assert (await world.run()).status == "suspended"
    assert "go on after its turn" in caplog.text
    assert "stubborn" in caplog.text
    let_go.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})


@on_a_loop
async def test_a_failure_in_a_group_may_be_caught_and_made_up_for(world: AsyncWorld) -> None:
    @world.durable.step
    async def fails() -> None:
        raise LookupError("no")

    slow, undo = world.step("slow"), world.step("undo")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ctx.step(fails))
                group.create_task(ctx.step(slow))
        except* StepFailed:
            await ctx.step(undo)
        await ctx.sleep("1 h")
        return "done"

    handle = await world.start(flow)
    assert await world.names() == [(0, "fails"), (1, "slow"), (2, "undo"), (3, "sleep")]
    await world.later("1 h")
    assert await handle.result("1 s") == "done"
    assert world.log == ["slow begins", "slow ends", "undo begins", "undo ends"]
