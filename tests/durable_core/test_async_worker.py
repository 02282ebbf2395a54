"""A worker of tasks: bounded, woken at once, patient while the database is away."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import AsyncDurable, AsyncWorkflowContext, StoreUnavailable
from durable_core.asyncio_runtime import AsyncioRuntime


@on_a_loop
async def test_no_more_runs_at_once_than_asked_for(world: AsyncWorld) -> None:
    durable = AsyncDurable(world.store, poll="60 s")
    now, most = [0], [0]

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.005)
        now[0] -= 1

    handles = [await durable.start(flow) for _ in range(20)]
    async with durable.worker(concurrency=3):
        for handle in handles:
            await handle.result("20 s")
    assert most == [3]


@on_a_loop
async def test_a_start_is_picked_up_long_before_the_next_poll(world: AsyncWorld) -> None:
    durable = AsyncDurable(world.store, poll="60 s")

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext, n: int) -> int:
        return n

    async with durable.worker():
        await asyncio.sleep(0.05)  # the worker has looked once, and waits for its bell or for a minute
        for n in range(3):
            assert await (await durable.start(flow, n)).result("10 s") == n


class Outage:
    """A database that is away for a while."""

    def __init__(self, world: AsyncWorld) -> None:
        self.refused = 0
        self.away = False
        world.store.before = self.before

    async def before(self, statement: str) -> None:
        """Refuse every call while it lasts."""
        if self.away:
            self.refused += 1
            raise StoreUnavailable(f"{statement}: the server\nrestarts")


@on_a_loop
async def test_an_outage_is_told_once_and_the_work_goes_on(world: AsyncWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "durable")
    durable = AsyncDurable(world.store, poll="5 ms", blocked_retry="10 ms", lease="200 ms")
    outage = Outage(world)

    @durable.step
    async def step() -> str:
        return "done"

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        await ctx.sleep("10 ms")
        return await ctx.step(step)

    async def outlast() -> None:
        outage.away = True
        before = outage.refused
        while outage.refused < before + 30:  # noqa: ASYNC110 - the worker's tasks count it
            await asyncio.sleep(0.005)
        outage.away = False

    async with durable.worker():
        for outages in (1, 2):
            handle: Any = await durable.start(flow)
            await outlast()
            assert await handle.result("20 s") == "done"
            while caplog.text.count("all is well") < outages:  # noqa: ASYNC110 - the worker logs it
                await asyncio.sleep(0.005)
    told = [one for one in caplog.records if one.name == "durable.worker"]
    away = [one.getMessage() for one in told if "restarts" in one.getMessage()]
    assert len(away) == 2, away
    assert [one.getMessage() for one in told if "all is well" in one.getMessage()] == [
        "durable worker: all is well again"
    ] * 2
    assert all("\n" not in one.getMessage() and one.exc_info is None for one in told)


@on_a_loop
async def test_a_mistake_is_told_once_with_its_traceback(world: AsyncWorld, caplog: pytest.LogCaptureFixture) -> None:
    durable = AsyncDurable(world.store, poll="5 ms")
    calls: list[str] = []

    async def mistaken(statement: str) -> None:
        if statement in {"claim_runs", "claim_due_runs"}:
            calls.append(statement)
            raise RuntimeError(f"mistake {len(calls)}")

    world.store.before = mistaken
    durable.workflow(name="flow")(_flow)
    async with durable.worker(), asyncio.timeout(20):
        while len(calls) < 20:  # noqa: ASYNC110 - the worker's tasks count it
            await asyncio.sleep(0.005)
        world.store.before = None
        await (await durable.start("flow")).result("10 s")
    told = [one for one in caplog.records if one.name == "durable.worker"]
    assert [(one.levelname, one.exc_info is not None) for one in told] == [
        ("ERROR", True),
        ("ERROR", True),
        ("WARNING", False),
    ]


async def _flow(ctx: AsyncWorkflowContext) -> None:
    pass


@on_a_loop
async def test_a_cancelled_worker_leaves_no_task_and_no_half_run(world: AsyncWorld) -> None:
    durable = AsyncDurable(world.store, poll="5 ms")
    begun = asyncio.Event()

    @durable.step
    async def stuck() -> None:
        begun.set()
        await asyncio.sleep(60)

    @durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.step(stuck), ctx.step(stuck))

    await durable.start(flow, id="r")
    working = asyncio.create_task(durable.worker_loop().run())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert ((await world.run()).status, await world.names()) == ("running", [])


@on_a_loop
async def test_a_helper_ends_even_if_its_action_loses_the_cancellation(world: AsyncWorld) -> None:
    begun = asyncio.Event()

    async def action() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with asyncio.timeout(10), AsyncioRuntime().every(0, action, nullcontext):
        await begun.wait()
