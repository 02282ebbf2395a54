"""A cancelled turn records nothing more and comes back; a CancelledError that user code made itself is its failure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from async_world import AsyncWorld, on_a_loop
from durable_core import AsyncWorkflowContext, RunFailed, StepFailed


async def cancelled(world: AsyncWorld, flow: Any, begun: asyncio.Event) -> None:
    """Start *flow*, and cancel its turn when *begun* is set."""
    await world.durable.start(flow, id="r")
    turn = asyncio.create_task(world.durable.run_until_idle())
    await begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert turn.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@on_a_loop
async def test_a_cancelled_turn_leaves_its_run_to_the_lease(world: AsyncWorld) -> None:
    begun = asyncio.Event()

    @world.durable.step
    async def step() -> str:
        begun.set()
        try:
            await asyncio.sleep(0.01 if world.log else 60)
        finally:
            await asyncio.sleep(0)
            world.log.append("cleaned up")
        return "done"

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        try:
            return await ctx.step(step)
        except Exception:
            return "caught"
        finally:
            await ctx.step(step)

    await cancelled(world, flow, begun)
    assert world.log == ["cleaned up"]
    run = await world.run()
    assert (run.status, await world.history()) == ("running", [])
    assert run.locked_by is not None

    await world.later("31 s")
    assert await world.durable.handle("r").result("1 s") == "done"
    assert (await world.run()).recovery_attempts == 1


@pytest.mark.parametrize("swallower", ["step", "step raises", "body", "transaction"])
@on_a_loop
async def test_a_cancellation_that_user_code_swallows_still_ends_the_turn(world: AsyncWorld, swallower: str) -> None:
    begun = asyncio.Event()

    async def stubborn() -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if swallower == "body":
                raise
            if swallower == "step raises":
                raise ValueError("something else") from None
        return "went on"

    step = world.durable.step(stubborn)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        try:
            await (ctx.transaction(stubborn) if swallower == "transaction" else ctx.step(step))
        except asyncio.CancelledError:
            if swallower != "body":
                raise
        return "went on"

    await cancelled(world, flow, begun)
    assert ((await world.run()).status, await world.history()) == ("running", [])


@on_a_loop
async def test_a_cancelled_transaction_rolls_back(world: AsyncWorld) -> None:
    begun = asyncio.Event()

    async def book() -> None:
        await world.store.buffer_signal("booked", 1)
        begun.set()
        await asyncio.sleep(60)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.transaction(book)

    await cancelled(world, flow, begun)
    assert await world.store.take_buffered_signal("booked") is None
    assert await world.history() == []


@pytest.mark.parametrize("statement", ["save_checkpoint", "update_run", "list_checkpoints", "suspend_run"])
@on_a_loop
async def test_a_turn_cancelled_in_a_statement_is_done_again(world: AsyncWorld, statement: str) -> None:
    begun = asyncio.Event()
    step = world.step("step")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> str:
        await ctx.step(step)
        await ctx.sleep("1 s")
        return "done"

    async def stall(name: str) -> None:
        if name == statement and not begun.is_set():
            begun.set()
            await asyncio.sleep(60)

    if statement == "update_run":
        await world.start(flow)
        world.runtime.advance("1 s")
        world.store.before = stall
        turn = asyncio.create_task(world.durable.run_until_idle())
        await begun.wait()
        turn.cancel()
        await asyncio.wait([turn])
    else:
        world.store.before = stall
        await cancelled(world, flow, begun)
    assert (await world.run()).status == "running"
    await world.later("31 s")
    await world.later("1 s")
    assert await world.durable.handle("r").result("1 s") == "done"


@on_a_loop
async def test_a_gather_is_cancelled_as_a_whole(world: AsyncWorld) -> None:
    begun = asyncio.Event()
    quick, stuck, other = (
        world.step("quick"),
        world.step("stuck", asyncio.Event()),
        world.step("other", asyncio.Event()),
    )

    async def watch() -> None:
        while "quick ends" not in world.log:  # noqa: ASYNC110 - another task writes it
            await asyncio.sleep(0)
        begun.set()
        await asyncio.sleep(60)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.step(quick), ctx.step(stuck), ctx.step(other), watch())

    await cancelled(world, flow, begun)
    assert [name for _, name in await world.names()] in ([], ["quick"])


def cancel_myself() -> None:
    raise asyncio.CancelledError


async def await_what_is_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


@pytest.mark.parametrize("own", [cancel_myself, await_what_is_cancelled])
@pytest.mark.parametrize("way", ["step", "transaction", "side_effect"])
@on_a_loop
async def test_a_cancellation_of_its_own_is_a_failed_attempt(world: AsyncWorld, own: Any, way: str) -> None:
    step = world.durable.step(max_attempts=2, backoff="0 s")(own)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> Any:
        try:
            if way == "side_effect":
                await ctx.side_effect(own)
            else:
                await (ctx.step(step) if way == "step" else ctx.transaction(step))
        except Exception as error:
            return [type(error).__name__, getattr(error, "code", None), getattr(error, "attempts", None), str(error)]

    handle = await world.start(flow)
    result = await handle.result("1 s")
    if way == "side_effect":
        assert result[0] == "StrayCancellation"
    else:
        assert result[:3] == [StepFailed.__name__, "StrayCancellation", 2]
    assert "raised CancelledError, but nobody cancelled it" in result[3]


@pytest.mark.parametrize("own", [cancel_myself, await_what_is_cancelled])
@on_a_loop
async def test_a_body_that_raises_a_cancellation_of_its_own_has_failed(world: AsyncWorld, own: Any) -> None:
    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await ctx.now()
        await asyncio.ensure_future(asyncio.sleep(0))
        if (wait := own()) is not None:
            await wait

    handle = await world.start(flow)
    with pytest.raises(RunFailed, match="the workflow's body raised CancelledError") as failed:
        await handle.result("1 s")
    assert failed.value.code == "StrayCancellation"


@on_a_loop
async def test_a_step_that_the_body_cancels_is_finished_and_saved(world: AsyncWorld) -> None:
    go_on = asyncio.Event()
    quick, slow, after = world.step("quick"), world.step("slow", go_on), world.step("after")

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> list[str]:
        tasks = [asyncio.create_task(ctx.step(step)) for step in (quick, slow)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        await ctx.step(after)
        await ctx.sleep("1 h")
        return [task.result() for task in done]

    handle = await world.start(flow)
    assert await world.names() == [(0, "quick"), (1, "slow"), (2, "after"), (3, "sleep")]
    await world.later("1 h")
    assert await handle.result("1 s") == ["quick"]
    assert world.log.count("slow begins") == 1


def test_the_end_of_the_loop_records_nothing() -> None:
    world = AsyncWorld()
    begun: list[int] = []

    @world.durable.step
    async def stuck() -> None:
        begun.append(1)
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            begun.append(2)

    @world.durable.workflow()
    async def flow(ctx: AsyncWorkflowContext) -> None:
        await asyncio.gather(ctx.step(stuck), ctx.sleep("1 h"))

    async def main() -> None:
        await world.durable.start(flow, id="r")
        asyncio.get_running_loop().keep = asyncio.create_task(world.durable.run_until_idle())  # type: ignore[attr-defined]
        while not begun:  # noqa: ASYNC110 - another task writes it
            await asyncio.sleep(0)

    async def look() -> tuple[str, list[Any]]:
        return (await world.run()).status, await world.names()

    asyncio.run(main())
    assert begun == [1, 2], "the clean-up of the step was cut off"
    status, names = asyncio.run(look())
    assert (status, [name for name in names if name[1] != "sleep"]) == ("running", [])
