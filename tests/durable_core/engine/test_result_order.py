"""What runs side by side comes back to the body in the same order in every replay."""

from __future__ import annotations

import asyncio
import random
from itertools import product
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import AsyncWorkflowContext, StepFailed


def timed(world: AsyncWorld, name: str, rounds: int) -> Any:
    """A step that takes that many rounds of the loop."""

    @world.durable.step(name=name)
    async def step() -> str:
        world.log.append(name)
        for _ in range(rounds):
            await asyncio.sleep(0)
        return name

    return step


async def replayed(world: AsyncWorld, handle: Any, times: int = 3) -> Any:
    """Wake the run an hour later, that often; the result."""
    for _ in range(times):
        run = await world.run()
        assert run.status == "suspended", run
        await world.later("1 h")
    return await handle.result("1 s")


@on_a_loop
async def test_as_completed_completes_alike(world: AsyncWorld) -> None:
    steps = [timed(world, name, rounds) for name, rounds in (("a", 3000), ("b", 10), ("c", 1500))]
    told: list[list[str]] = []
    after = {name: timed(world, f"after {name}", 1) for name in "abc"}

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        results = []
        for ended in asyncio.as_completed([ctx.step(step) for step in steps]):
            name = await ended
            results.append(await ctx.step(after[name]))
        for _ in range(3):
            await ctx.sleep("1 h")
        told.append(results)
        return results

    handle = await world.start(flow)
    assert await replayed(world, handle) == ["after b", "after c", "after a"]
    assert told == [["after b", "after c", "after a"]]
    assert sorted(world.log) == ["a", "after a", "after b", "after c", "b", "c"]


@on_a_loop
async def test_whoever_comes_first_stays_first(world: AsyncWorld) -> None:
    slow, quick, after = timed(world, "slow", 3000), timed(world, "quick", 10), timed(world, "after", 1)
    firsts: list[list[str]] = []

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        tasks = [asyncio.create_task(ctx.step(step)) for step in (slow, quick)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        firsts.append([task.result() for task in done])
        await ctx.step(after)
        await asyncio.wait(pending)
        for _ in range(3):
            await ctx.sleep("1 h")
        return "done"

    assert await replayed(world, await world.start(flow)) == "done"
    assert firsts == [["quick"]] * 4


@pytest.mark.parametrize("seed", range(12))
@on_a_loop
async def test_branches_of_several_calls_keep_their_positions(world: AsyncWorld, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"{branch}{number}" for branch in range(5) for number in range(4)]
    steps = {name: timed(world, name, chance.choice((1, 5, 30, 200, 1000))) for name in names}

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        order: list[str] = []

        async def branch(number: int) -> None:
            for step in range(4):
                if chance_of_body[number][step]:
                    await ctx.sleep("1 h")
                order.append(await ctx.step(steps[f"{number}{step}"]))

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(branch(number))
        await ctx.sleep("1 h")
        return order

    chance_of_body = [[chance.random() < 0.3 for _ in range(4)] for _ in range(5)]
    handle = await world.start(flow)
    turns = 0
    while (await world.run()).status == "suspended":
        turns += 1
        assert turns < 30
        await world.later("1 h")
    assert (await world.run()).error is None
    assert sorted(await handle.result("1 s")) == names
    assert sorted(world.log) == names, "a step was run twice"


@on_a_loop
async def test_a_signal_that_came_meanwhile_comes_after_what_was_seen_before_it(world: AsyncWorld) -> None:
    go_on = asyncio.Event()
    slow, then, last = world.step("slow", go_on), world.step("then"), world.step("last")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        order: list[str] = []

        async def waiting() -> None:
            order.append(await ctx.wait_for_signal("go"))
            order.append(await ctx.step(last))

        async def working() -> None:
            order.append(await ctx.step(slow))
            order.append(await ctx.step(then))

        await asyncio.gather(waiting(), working())
        for _ in range(3):
            await ctx.sleep("1 h")
        return order

    handle = await world.durable.start(flow, id="r")
    turn = asyncio.ensure_future(world.durable.run_until_idle())
    while "slow begins" not in world.log:  # noqa: ASYNC110 - the step writes it
        await asyncio.sleep(0)
    await world.durable.signal("go", "signal")
    go_on.set()
    await turn
    await world.durable.run_until_idle()
    assert await replayed(world, handle) == ["slow", "then", "signal", "last"]


@on_a_loop
async def test_the_order_is_kept_before_the_run_waits_for_a_signal(world: AsyncWorld) -> None:
    slow, quick = timed(world, "slow", 3000), timed(world, "quick", 10)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        order = [await ended for ended in asyncio.as_completed([ctx.step(slow), ctx.step(quick)])]
        return f"{await ctx.wait_for_signal(f'go {order[0]}')} {order}"

    handle = await world.start(flow)
    for _ in range(3):
        await world.later("5 min")
        assert [one.token for one in await world.store.list_signal_waiters("")] == ["go quick"]
    await world.durable.signal("go quick", "gone")
    await world.durable.run_until_idle()
    assert await handle.result("1 s") == "gone ['quick', 'slow']"


@on_a_loop
async def test_a_retried_step_keeps_what_its_failure_remembered(world: AsyncWorld) -> None:
    slow, quick = timed(world, "slow", 3000), timed(world, "quick", 10)
    seen: list[list[str]] = []

    @world.durable.step(max_attempts=3, backoff="1 h")
    async def flaky() -> None:
        seen_now = len(seen)
        if seen_now < 3:
            raise LookupError("not yet")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        seen.append([await ended for ended in asyncio.as_completed([ctx.step(slow), ctx.step(quick)])])
        await ctx.step(flaky)
        await ctx.sleep("1 h")
        return "done"

    handle = await world.start(flow)
    assert await replayed(world, handle) == "done"
    assert seen == [["quick", "slow"]] * 4


@on_a_loop
async def test_failures_come_back_in_order_too(world: AsyncWorld) -> None:
    @world.durable.step
    async def fails() -> None:
        for _ in range(500):
            await asyncio.sleep(0)
        raise LookupError("no")

    quick, slow = timed(world, "quick", 1), timed(world, "slow", 3000)
    seen: list[list[str]] = []

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        order: list[str] = []

        async def noted(operation: Any) -> None:
            try:
                order.append(await operation)
            except StepFailed:
                order.append("failed")

        await asyncio.gather(*(noted(ctx.step(step)) for step in (slow, fails, quick)))
        seen.append(order)
        await ctx.sleep("1 h")
        return "done"

    assert await replayed(world, await world.start(flow), 1) == "done"
    assert seen == [["quick", "failed", "slow"]] * 2


@on_a_loop
async def test_what_comes_one_after_the_other_remembers_nothing_of_it(world: AsyncWorld) -> None:
    steps = [timed(world, str(number), 1) for number in range(4)]

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.step(steps[0])
        await asyncio.gather(ctx.step(steps[1]), ctx.step(steps[2]))
        await ctx.step(steps[3])

    await world.start(flow)
    assert [len(one.events or ()) for one in await world.history()] == [1, 1, 1, 1]


async def deep(operation: Any, levels: int = 6) -> Any:
    """Await *operation* in a task in a task in a task."""
    return await (operation if levels == 0 else asyncio.create_task(deep(operation, levels - 1)))


@pytest.mark.parametrize(
    ("rounds", "depths"),
    [*product([(1000, 1), (1, 1000), (1, 1)], [(0, 6), (6, 0)]), ((1000, 1), (0, 40))],
    ids=str,
)
@on_a_loop
async def test_a_long_way_to_the_body_changes_nothing(
    world: AsyncWorld, rounds: tuple[int, int], depths: tuple[int, int]
) -> None:
    steps = [timed(world, f"{name}{number}", rounds[name]) for name in (0, 1) for number in (0, 1)]

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        order: list[str] = []

        async def branch(name: int) -> None:
            order.append(await deep(ctx.step(steps[2 * name]), depths[name]))
            order.append(await deep(ctx.step(steps[2 * name + 1]), depths[name]))

        await asyncio.gather(deep(branch(0), depths[0]), deep(branch(1), depths[1]))
        for _ in range(3):
            await ctx.sleep("1 h")
        seen.append(order)
        return order

    seen: list[list[str]] = []
    handle = await world.start(flow)
    positions = await world.names()
    assert sorted(await replayed(world, handle)) == ["00", "01", "10", "11"]
    assert (await world.names())[:4] == positions[:4]
    assert len(world.log) == 4
