"""A cancelled task rolls back, hands its cancellation on, and leaves connection and context as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from durable_conformance.samples import a_checkpoint, a_run
from durable_core.store import StoreTransaction
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell

#: In a statement of the driver each, whatever the database is told to wait for.
_LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n",
    "postgres": "SELECT pg_sleep(30)",
    "mysql": "SELECT SLEEP(30)",
}
_MOST_ROUNDS = 400


async def _cancelled_after(rounds: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Cancel *work* after as many rounds of the event loop; tell whether that came before its end."""

    async def working() -> None:
        await work()

    task = asyncio.create_task(working())
    for _ in range(rounds):
        await asyncio.sleep(0)
    early = task.cancel()
    await asyncio.wait([task])
    if early and not task.cancelled():
        assert task.exception() is None, f"cancelled after {rounds} rounds"
    return early


def _every_so_often() -> list[int]:
    return [*range(40), *range(40, _MOST_ROUNDS, 9)]


@pytest.mark.parametrize("kept", [1, 2])
def test_wherever_a_transaction_is_cancelled_all_of_it_or_nothing_has_happened(cell: Cell, kept: int) -> None:
    async def test() -> None:
        pool = {} if cell.kind == "sqlite" else {"minsize": 1, "maxsize": kept}
        async with cell.store(**pool) as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint(1))
                await store.create_run(a_run("r1"))
                await cell.note(1)

            early = True
            for rounds in _every_so_often():
                early = early and await _cancelled_after(rounds, lambda: store.transaction(work))
                assert not store.session.in_transaction()
                happened = {
                    await store.get_run("r1") is not None,
                    bool(await store.list_checkpoints("r1")),
                    bool(cell.notes()),
                }
                assert len(happened) == 1, f"cancelled after {rounds} rounds"
                await store.delete_run("r1")
                cell.sql.execute("DELETE FROM notes")
            await store.transaction(work)  # every connection is in order
            assert cell.runs() == ["r1"]

    cell.run(test)


def test_wherever_a_call_is_cancelled_the_next_one_works(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store(**cell.one_connection) as store:
            for rounds in _every_so_often():
                await store.delete_run("r1")
                if not await _cancelled_after(
                    rounds, lambda: store.create_run(a_run("r1", search_attributes={"n": 1}))
                ):
                    break
                assert await store.get_run("r2") is None
            await store.create_run(a_run("r2"))
            assert "r2" in cell.runs()

    cell.run(test)


@pytest.mark.parametrize("inside", [False, True])
def test_a_statement_that_takes_long_is_given_up(cell: Cell, inside: bool) -> None:
    async def test() -> None:
        async with cell.store(**cell.one_connection) as store:
            begun = asyncio.Event()

            async def wait(store: TortoiseStateStore) -> None:
                begun.set()
                await store.session.raw.execute_query(_LONG[cell.kind])

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                await wait(store)

            task = asyncio.create_task(store.transaction(work) if inside else wait(store))
            await begun.wait()
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await store.list_checkpoints("r1") == []
            assert await store.create_run(a_run("after"))
        assert cell.runs() == ["after"]

    cell.run(test)
