"""Workers on real tasks over a Tortoise store."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from tortoise.transactions import in_transaction

from durable_core import AsyncDurable, AsyncRunHandle, AsyncWorkflowContext
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell, eventually
from tortoise_notes import Note


class _Undone(Exception):
    pass


def _durable(cell: Cell) -> AsyncDurable:
    """With a workflow *shop* that takes steps, writes a note in a transaction and sleeps."""
    durable = AsyncDurable(TortoiseStateStore(cell.driver), poll="50ms", lease="2s")

    @durable.step(max_attempts=9)  # its query may meet the end of a connection, which is its own affair
    async def look(number: int) -> int:
        return number + await Note.filter(id=number).count()

    async def write(number: int) -> None:
        await Note(id=number, text=f"note {number}").save()

    @durable.workflow(name="shop")
    async def shop(ctx: AsyncWorkflowContext, number: int) -> int:
        before = await ctx.step(look, number)
        await ctx.transaction(write, number)
        await ctx.sleep("10ms")
        both = await asyncio.gather(ctx.step(look, number), ctx.step(look, number))
        return before + sum(both)

    return durable


async def _started(durable: AsyncDurable, *numbers: int) -> list[AsyncRunHandle[int]]:
    return [await durable.start("shop", number, id=f"shop:{number}") for number in numbers]


def test_workers_share_the_runs_of_one_database(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            durable = _durable(cell)
            await durable.boot()
            handles = await _started(durable, *range(1, 21))
            async with durable.worker(concurrency=4), durable.worker(concurrency=4):
                results = [await handle.result(timeout="40s") for handle in handles]
        assert results == [3 * number + 2 for number in range(1, 21)]
        assert sorted(cell.notes()) == sorted(f"note {number}" for number in range(1, 21))

    cell.run(test)


def test_a_worker_outside_of_every_context_serves_the_applications_models(cell: Cell) -> None:
    outside = contextvars.copy_context()

    async def test() -> None:
        async with cell.application():
            durable = _durable(cell)
            await durable.boot()

            async def serve() -> None:
                async with durable.worker():
                    for handle in handles:
                        await handle.result(timeout="40s")

            handles = await _started(durable, 1, 2)
            await asyncio.get_running_loop().create_task(serve(), context=outside.copy())
        assert cell.notes() == ["note 1", "note 2"]

    cell.run(test)


def test_a_start_wakes_the_worker_when_the_hosts_transaction_commits(cell: Cell) -> None:
    """Nothing else would: this worker looks by itself once in ten minutes."""

    async def test() -> None:
        async with cell.application():
            durable = AsyncDurable(TortoiseStateStore(cell.driver), poll="10 minutes")
            turns: list[int] = []

            @durable.workflow(name="flow")
            async def flow(ctx: AsyncWorkflowContext, number: int) -> None:
                turns.append(number)

            async with durable.worker():
                with pytest.raises(_Undone):
                    async with in_transaction(cell.driver):
                        await durable.start(flow, 1)
                        raise _Undone
                async with in_transaction(cell.driver):
                    await cell.note(1)
                    await durable.start(flow, 2)
                    if cell.kind != "sqlite":  # whose one connection is in this transaction
                        await asyncio.sleep(0.1)
                    assert turns == []
                await eventually(lambda: turns)
            assert turns == [2]

    cell.run(test)


def test_an_engine_made_in_a_requests_transaction_is_not_part_of_it(cell: Cell) -> None:
    """Made lazily, by the first request; what that request's transaction becomes is nothing to the worker."""
    outside = contextvars.copy_context()

    async def test() -> None:
        async with cell.application():
            stop = asyncio.Event()

            async def serve(durable: AsyncDurable) -> None:
                async with durable.worker():
                    await stop.wait()

            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    durable = _durable(cell)
                    await cell.note(99)
                    serving = asyncio.get_running_loop().create_task(serve(durable), context=outside.copy())
                    await asyncio.sleep(0.05)  # enough for a first look at what there is to do
                    raise _Undone
            handles = await _started(durable, 1, 2, 3)
            results = [await handle.result(timeout="40s") for handle in handles]
            stop.set()
            await serving
        assert results == [5, 8, 11]
        assert cell.notes() == ["note 1", "note 2", "note 3"]

    cell.run(test)


def test_a_worker_survives_a_restart_of_the_database(served: Cell) -> None:
    async def test() -> None:
        async with served.application():
            durable = _durable(served)
            await durable.boot()
            async with durable.worker(concurrency=2):
                assert await (await _started(durable, 1))[0].result(timeout="40s") == 5
                await _started(durable, 2, 3)
                served.end_connections()  # some are in the middle of something, some are not
                await eventually(lambda: served.statuses() == {"completed"}, every_s=0.05)
        assert served.notes() == ["note 1", "note 2", "note 3"]

    served.run(test)


def test_a_worker_boots_outside_of_the_transaction_that_its_task_was_born_in(served: Cell) -> None:
    async def test() -> None:
        async with served.application():

            async def serve() -> None:
                async with _durable(served).worker():
                    pass

            # Inside the transaction it would refuse to create the tables, and its queries would mix with the host's.
            with pytest.raises(_Undone):
                async with in_transaction(served.driver):
                    await asyncio.create_task(serve())
                    raise _Undone
        assert served.runs() == []

    served.run(test)
