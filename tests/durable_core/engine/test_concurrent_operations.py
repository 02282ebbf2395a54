"""asyncio.gather and task groups: whoever parks waits for the operations beside it; nothing is lost or left running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from durable_core import AsyncDurable, AsyncWorkflowContext, InMemoryStateStore, StepFailed, offload
from durable_core.records import RunPatch, StepCheckpoint, WorkflowRun
from durable_core.testing import FakeRuntime


class AsyncWorld:
    """One store, one fake clock, an event loop for each test."""

    def __init__(self) -> None:
        self.inner = InMemoryStateStore()
        self.store = offload(self.inner)
        self.runtime = FakeRuntime(blocking=False)
        self.durable = AsyncDurable(self.store, runtime=self.runtime)
        self.log: list[str] = []

    def step(self, name: str, wait: asyncio.Event | None = None, **options: Any) -> Any:
        """A step that logs when it begins and ends, and may wait in between."""

        @self.durable.step(name=name, **options)
        async def step() -> str:
            self.log.append(f"{name} begins")
            if wait is not None:
                await wait.wait()
            await asyncio.sleep(0)
            self.log.append(f"{name} ends")
            return name

        return step

    async def run(self) -> WorkflowRun:
        run = await self.store.get_run("r")
        assert run is not None
        return run

    async def history(self) -> list[StepCheckpoint]:
        return await self.store.list_checkpoints("r")

    async def statuses(self) -> dict[str, str]:
        return {one.name: one.status for one in await self.history()}


def on_a_loop(test: Callable[[AsyncWorld], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run *test* on a loop of its own; a task that outlives it is a failure."""

    def running() -> None:
        async def whole() -> None:
            world = AsyncWorld()
            try:
                await test(world)
            finally:
                world.store.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

        asyncio.run(whole())

    running.__name__ = test.__name__
    running.__doc__ = test.__doc__
    return running


@on_a_loop
async def test_gather_returns_every_result_in_order(world: AsyncWorld) -> None:
    steps = [world.step(name) for name in "abc"]

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        return list(await asyncio.gather(*(ctx.step(step) for step in steps)))

    handle = await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    assert await handle.result("1s") == ["a", "b", "c"]
    assert [(one.seq, one.name) for one in await world.history()] == [(0, "a"), (1, "b"), (2, "c")]


@on_a_loop
async def test_positions_are_taken_in_the_order_of_the_calls(world: AsyncWorld) -> None:
    a, b = world.step("a"), world.step("b")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        first, second = ctx.step(a), ctx.step(b)
        await second
        await first

    await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    assert [(one.seq, one.name) for one in await world.history()] == [(0, "a"), (1, "b")]
    assert world.log[0] == "b begins"


@pytest.mark.parametrize("grouped", ["gather", "task group"])
def test_a_step_is_finished_and_saved_before_its_sleeping_neighbour_parks_the_run(grouped: str) -> None:
    @on_a_loop
    async def test(world: AsyncWorld) -> None:
        go_on = asyncio.Event()
        slow = world.step("slow", go_on)

        @world.durable.workflow()
        async def flow(ctx: AsyncWorkflowContext) -> str:
            if grouped == "gather":
                await asyncio.gather(ctx.sleep("1 h"), ctx.step(slow))
            else:
                async with asyncio.TaskGroup() as group:
                    group.create_task(ctx.sleep("1 h"))
                    group.create_task(ctx.step(slow))
            return "done"

        handle = await world.durable.start(flow, id="r")
        turn = asyncio.ensure_future(world.durable.run_until_idle())
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert (await world.run()).status == "running", "the run was parked under a running step"
        go_on.set()
        await turn

        run = await world.run()
        assert (run.status, run.recovery_attempts) == ("suspended", 0)
        assert await world.statuses() == {"sleep": "completed", "slow": "completed"}
        world.runtime.advance("1 h")
        await world.durable.run_until_idle()
        assert await handle.result("1s") == "done"
        assert world.log == ["slow begins", "slow ends"]

    test()


@on_a_loop
async def test_the_earliest_of_the_parked_wakes_the_run(world: AsyncWorld) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.sleep("7 days"), ctx.sleep("1 day"), ctx.sleep("3 days"))

    await world.durable.start(flow, id="r")
    for hours in (24, 48, 96):
        await world.durable.run_until_idle()
        run = await world.run()
        assert (run.status, run.wake_at_ms) == ("suspended", world.runtime.now_ms() + hours * 3_600_000)
        world.runtime.advance(f"{hours} h")
    await world.durable.run_until_idle()
    assert (await world.run()).status == "completed"


@on_a_loop
async def test_a_long_sleep_does_not_keep_its_neighbour_from_going_on(world: AsyncWorld) -> None:
    a, b, c = world.step("a"), world.step("b"), world.step("c")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        async def pipeline() -> str:
            await ctx.step(a)
            await ctx.sleep("1 min")
            await ctx.step(b)
            return await ctx.step(c)

        return str((await asyncio.gather(ctx.wait_for_signal("stop"), pipeline()))[1])

    handle = await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    assert await world.statuses() == {"a": "completed", "sleep": "completed"}
    world.runtime.advance("1 min")
    await world.durable.run_until_idle()
    assert (await world.statuses()).keys() == {"a", "sleep", "b", "c"}

    await world.durable.signal("stop")
    await world.durable.run_until_idle()
    assert await handle.result("1s") == "c"


@on_a_loop
async def test_neighbours_rest_for_their_own_backoff(world: AsyncWorld) -> None:
    tried: dict[str, int] = {"slow": 0, "quick": 0}

    def flaky(name: str, backoff: str) -> Any:
        @world.durable.step(name=name, max_attempts=3, backoff=backoff)
        def step() -> str:
            tried[name] += 1
            if tried[name] < 2:
                raise LookupError(name)
            return name

        return step

    slow, quick = flaky("slow", "1 min"), flaky("quick", "1 s")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        return list(await asyncio.gather(ctx.step(slow), ctx.step(quick)))

    handle = await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    world.runtime.advance("1 s")
    await world.durable.run_until_idle()
    assert tried == {"slow": 1, "quick": 2}
    world.runtime.advance("1 min")
    await world.durable.run_until_idle()
    assert await handle.result("1s") == ["slow", "quick"]


@on_a_loop
async def test_a_failure_waits_for_the_steps_beside_it(world: AsyncWorld) -> None:
    go_on = asyncio.Event()
    slow = world.step("slow", go_on)

    @world.durable.step
    def fails() -> None:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        raise LookupError("no")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.step(fails), ctx.step(slow))

    await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    assert (await world.run()).status == "failed"
    assert await world.statuses() == {"fails": "failed", "slow": "completed"}


@on_a_loop
async def test_a_caught_failure_beside_a_wait_lets_the_body_go_on(world: AsyncWorld) -> None:
    undo = world.step("undo")

    @world.durable.step
    def fails() -> None:
        raise LookupError("no")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        try:
            await asyncio.gather(ctx.wait_for_signal("never"), ctx.step(fails))
        except StepFailed:
            return await ctx.step(undo)
        return "?"

    handle = await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    assert await handle.result("1s") == "undo"
    assert await world.store.list_signal_waiters("") == []


@on_a_loop
async def test_results_that_hide_the_parking_are_told_with_the_place(world: AsyncWorld) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        await asyncio.gather(ctx.sleep("1 h"), return_exceptions=True)
        return "went on"

    await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    run = await world.run()
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "SuspensionSwallowed"
    assert "return_exceptions=True" in run.error.message


@on_a_loop
async def test_a_lost_lease_stops_every_branch(world: AsyncWorld) -> None:
    @world.durable.step
    async def steal() -> None:
        await world.store.update_run("r", RunPatch(locked_by="thief", locked_until_ms=10**13))

    other = world.step("other")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.step(steal))
            group.create_task(ctx.step(other))

    await world.durable.start(flow, id="r")
    await world.durable.run_until_idle()
    run = await world.run()
    assert (run.status, run.locked_by) == ("running", "thief")
