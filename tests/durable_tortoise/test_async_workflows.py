"""Workflows of an async application on its own connections: side by side, cancelled anywhere, through a restart."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from durable_core import AsyncDurable, AsyncWorkflowContext, RunFailed
from durable_core.records import TERMINAL_STATUSES
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell, CellOn, eventually
from tortoise_notes import Note

QUICK: Any = {"poll": "20 ms", "lease": "600 ms", "blocked_retry": "50 ms"}


def test_steps_beside_each_other_a_transaction_and_a_signal(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:
            durable = AsyncDurable(store, **QUICK)
            threads: set[str] = set()

            @durable.step
            async def double(n: int) -> int:
                await Note.all().count()  # the application's connection is there
                return n * 2

            @durable.step
            def on_a_thread(n: int) -> int:
                threads.add(threading.current_thread().name)
                return n + 1

            async def book(n: int) -> int:
                await cell.note(n)
                return n

            @durable.workflow()
            async def flow(ctx: AsyncWorkflowContext, n: int) -> list[int]:
                ended = [await one for one in asyncio.as_completed([ctx.step(double, n), ctx.step(on_a_thread, n)])]
                async with asyncio.TaskGroup() as group:
                    booked = group.create_task(ctx.transaction(book, n))
                    group.create_task(ctx.sleep("10 ms"))
                return [*sorted(ended), booked.result(), await ctx.wait_for_signal(f"go {n}")]

            async with durable.worker(concurrency=3):
                handles = [await durable.start(flow, n) for n in range(1, 6)]
                for n in range(1, 6):
                    await durable.signal(f"go {n}", -n)
                for n, handle in enumerate(handles, 1):
                    assert await handle.result("30 s") == [*sorted((n * 2, n + 1)), n, -n]
            assert threads == {"durable-call"}
        assert cell.notes() == [f"note {n}" for n in range(1, 6)]

    cell.run(test)


@pytest.mark.parametrize("pool", ["as it comes", "of one"])
def test_a_worker_cancelled_anywhere_leaves_nothing_half_done(cell: Cell, pool: str) -> None:
    async def test() -> None:
        async with cell.store(**(cell.one_connection if pool == "of one" else {})) as store:
            durable = AsyncDurable(store, **{**QUICK, "lease": "30 ms"})

            @durable.step
            async def step(n: int) -> int:
                await Note.all().count()
                return n

            async def book(n: int) -> None:
                await cell.note(n)

            @durable.workflow()
            async def flow(ctx: AsyncWorkflowContext, n: int) -> int:
                await asyncio.gather(ctx.step(step, 1), ctx.transaction(book, n), ctx.step(step, 2))
                return n

            before = asyncio.all_tasks()
            for rounds in range(0, 260, 7):
                handle = await durable.start(flow, rounds)
                worker = asyncio.create_task(durable.worker_loop().run())
                for _ in range(rounds):
                    await asyncio.sleep(0)
                worker.cancel()
                await asyncio.wait([worker])
                assert worker.cancelled()
                # Not at once: asyncpg lets a cancelled connection go in a task of its own.
                await eventually(lambda: asyncio.all_tasks() <= before)
                kept = {one.name for one in await store.list_checkpoints(handle.id)}
                assert (f"note {rounds}" in cell.notes()) == ("book" in kept), f"cancelled after {rounds} rounds"
                if (await handle.get()).status not in TERMINAL_STATUSES:
                    async with durable.worker():
                        assert await handle.result("20 s") == rounds
                assert cell.notes().count(f"note {rounds}") == 1

    cell.run(test)


def test_a_transaction_of_a_plain_function_is_refused(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")

    async def test() -> None:
        async with cell.store() as store:
            durable = AsyncDurable(store, **QUICK)

            def book() -> int:
                return 1

            def query() -> Any:
                return cell.note(7)

            @durable.workflow()
            async def flow(ctx: AsyncWorkflowContext) -> None:
                await ctx.transaction(query)
                await ctx.transaction(book)

            handle = await durable.start(flow)
            await durable.run_until_idle()
            with pytest.raises(RunFailed, match="make it an async def"):
                await handle.result("1 s")
        assert cell.notes() == ["note 7"]

    cell.run(test)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "asyncmy", "aiomysql"])
def test_a_worker_outlives_a_restart_of_the_database(
    cell_on: CellOn, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "durable")
    cell = cell_on(driver)

    async def restarts(ended: asyncio.Event) -> None:
        for _ in range(5):
            await asyncio.to_thread(cell.end_connections)
            await asyncio.sleep(0.05)
        ended.set()

    async def test() -> None:
        async with cell.store() as store:
            durable = AsyncDurable(store, **QUICK)
            ended = asyncio.Event()

            @durable.step(max_attempts=20, backoff="10 ms")
            async def step() -> int:
                return await Note.all().count()

            async def book(n: int) -> None:
                await cell.note(n)

            @durable.workflow()
            async def flow(ctx: AsyncWorkflowContext, n: int) -> int:
                for _ in range(5):
                    await ctx.step(step)
                    await ctx.sleep("20 ms")
                await ctx.transaction(book, n)
                return n

            handles = [await durable.start(flow, n) for n in range(5)]
            async with durable.worker(concurrency=2):
                restarting = asyncio.create_task(restarts(ended))
                await eventually(ended.is_set)
                for n, handle in enumerate(handles):
                    await eventually_ends(store, handle.id)
                    assert await handle.result("20 s") == n
                await restarting
        assert cell.notes() == [f"note {n}" for n in range(5)]

    cell.run(test)
    assert [one.getMessage() for one in caplog.records if one.name == "durable.worker" and one.exc_info] == []


async def eventually_ends(store: TortoiseStateStore, run_id: str) -> None:
    """A pool that was cut off may hand out a broken connection to the test itself, once each."""
    async with asyncio.timeout(30):
        while True:
            run = await store.get_run(run_id)
            if run is not None and run.status in TERMINAL_STATUSES:
                return
            await asyncio.sleep(0.02)
