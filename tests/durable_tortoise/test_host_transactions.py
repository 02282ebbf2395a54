"""A store call made inside the application's open transaction joins it, and leaves it as it was."""

from __future__ import annotations

import asyncio

import pytest
from tortoise.transactions import in_transaction

from durable_conformance.samples import NOW, a_checkpoint, a_run, a_waiter
from durable_core.errors import LeaseLost, RunNotFound
from durable_core.records import RunPatch
from durable_core.store import StoreTransaction
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell
from tortoise_notes import Note


class _Undone(Exception):
    pass


def _fail() -> None:
    raise _Undone


def test_a_run_exists_if_and_only_if_the_hosts_rows_do(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:
            async with in_transaction(cell.driver):
                await cell.note(1)
                assert await store.create_run(a_run("plain"))
                assert await store.create_run(a_run("indexed", search_attributes={"n": 1}))
                assert cell.runs() == []
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    await cell.note(2)
                    assert await store.create_run(a_run("undone"))
                    assert await store.create_run(a_run("undone indexed", search_attributes={"n": 1}))
                    raise _Undone
        assert cell.notes() == ["note 1"]
        assert cell.runs() == ["indexed", "plain"]

    cell.run(test)


def test_an_expected_failure_leaves_the_hosts_transaction_usable(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:
            await store.create_run(a_run("held", status="running", locked_by="o-1"))
            await store.create_run(a_run("there"))
            async with in_transaction(cell.driver):
                await cell.note(1)
                assert await store.create_run(a_run("there")) is False
                assert await store.create_run(a_run("there", search_attributes={"n": 1})) is False
                with pytest.raises(LeaseLost):
                    await store.save_checkpoint(a_checkpoint(1, "held"), owner="o-2")
                with pytest.raises(LeaseLost):
                    await store.consume_buffered_signal(a_waiter("t", "held"), NOW, owner="o-2")
                with pytest.raises(RunNotFound):
                    await store.update_run("nobody", RunPatch(status="failed", search_attributes={"n": 1}))
                await cell.note(2)
            assert await store.list_signal_waiters("") == []
        assert cell.notes() == ["note 1", "note 2"]

    cell.run(test)


def test_a_transaction_of_ours_inside_the_hosts_can_fail_alone(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:

            async def failing(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                await cell.note(2)
                raise _Undone

            async def working(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint(5))
                await cell.note(3)

            async with in_transaction(cell.driver):
                await cell.note(1)
                with pytest.raises(_Undone):
                    await store.transaction(failing)
                await store.transaction(working)
                assert cell.notes() == []
            assert cell.notes() == ["note 1", "note 3"]
            assert [one.seq for one in await store.list_checkpoints("r1")] == [5]

    cell.run(test)


def test_a_savepoint_of_the_hosts_undoes_what_we_did_in_it(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store, in_transaction(cell.driver):
            await store.create_run(a_run("stays"))
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    await store.create_run(a_run("goes"))
                    raise _Undone
            assert await store.get_run("goes") is None
        assert cell.runs() == ["stays"]

    cell.run(test)


def test_the_hosts_rows_and_ours_commit_as_one_in_a_transaction_of_ours(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:

            async def work(tx: StoreTransaction) -> None:
                await cell.note(1)
                await Note(id=2, text="on the handle").save(using_db=tx.raw)
                await tx.save_checkpoint(a_checkpoint())
                assert cell.notes() == []

            await store.transaction(work)
            assert cell.notes() == ["note 1", "on the handle"]
            assert len(await store.list_checkpoints("r1")) == 1

    cell.run(test)


def test_a_store_with_a_context_of_its_own_is_in_no_transaction_of_another(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application() as own, cell.store() as store:  # whose context is the current one
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    assert await store.create_run(a_run("joins"))
                    raise _Undone
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    assert await TortoiseStateStore(cell.driver, context=own).create_run(a_run("stays"))
                    raise _Undone
        assert cell.runs() == ["stays"]

    cell.run(test)


def test_what_is_to_happen_on_commit_waits_for_the_hosts_commit(cell: Cell) -> None:
    rung: list[str] = []

    async def test() -> None:
        async with cell.store() as store:
            async with in_transaction(cell.driver):
                for number in range(2000):
                    store.on_commit(lambda number=number: rung.append(f"{number}"))  # type: ignore[misc]
                async with in_transaction(cell.driver):
                    store.on_commit(lambda: rung.append("savepoint"))
                assert rung == []
            assert rung == [*map(str, range(2000)), "savepoint"]
            rung.clear()
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    store.on_commit(lambda: rung.append("undone"))
                    raise _Undone
            async with in_transaction(cell.driver) as connection:
                store.on_commit(lambda: rung.append("by hand"))
                await connection.commit()
                assert rung == ["by hand"]
            store.on_commit(lambda: rung.append("at once"))
        assert rung == ["by hand", "at once"]

    cell.run(test)


def test_a_callback_that_fails_is_no_failed_commit(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with cell.store() as store:
            async with in_transaction(cell.driver):
                await cell.note(1)
                store.on_commit(_fail)
            assert cell.notes() == ["note 1"]

    cell.run(test)
    assert "a callback after a commit failed" in caplog.text


def test_calls_side_by_side_in_one_transaction_take_turns_where_they_need_a_savepoint(cell: Cell) -> None:
    tokens = [f"t{number}" for number in range(4)]

    async def test() -> None:
        async with cell.store() as store:

            async def several(_tx: StoreTransaction | None = None) -> None:
                await asyncio.gather(*(store.deliver_signal(token, token, NOW) for token in tokens))

            async with in_transaction(cell.driver):
                await several()
                await asyncio.gather(store.transaction(several), store.deliver_signal("alone", 1, NOW))
            got = {token: [await store.take_buffered_signal(token) for _ in range(3)] for token in tokens}
        assert [[signal and signal.payload for signal in got[token]] for token in tokens] == [
            [token, token, None] for token in tokens
        ]

    cell.run(test)


def test_a_task_that_outlives_the_transaction_it_was_born_in_does_not_use_it(cell: Cell) -> None:
    """Its connection is back in the pool, and may be in the middle of somebody else's transaction."""

    async def test() -> None:
        born, ended = asyncio.Event(), asyncio.Event()

        async def outliving(store: TortoiseStateStore) -> None:
            assert store.session.in_transaction(), "while it lasts, a task of its block is part of it"
            born.set()
            await ended.wait()
            assert not store.session.in_transaction()
            await store.create_run(a_run("alone"))
            await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))

        async with cell.store(**cell.one_connection) as store:
            async with in_transaction(cell.driver):
                task = asyncio.create_task(outliving(store))
                await born.wait()
            with pytest.raises(_Undone):
                async with in_transaction(cell.driver):
                    ended.set()
                    await asyncio.sleep(0.05)  # it must not get anywhere, however long it is given
                    await cell.note(1)
                    raise _Undone
            await task
            assert len(await store.list_checkpoints("r1")) == 1
        assert (cell.notes(), cell.runs()) == ([], ["alone"])

    cell.run(test)


@pytest.mark.parametrize("block", ["host", "ours"])
def test_work_of_our_own_is_in_no_transaction_that_it_was_born_in(cell: Cell, block: str) -> None:
    async def test() -> None:
        async with cell.store() as store:
            seen: list[bool] = []

            async def background() -> None:
                async with store.connected():
                    seen.append(store.session.in_transaction())
                    await store.create_run(a_run("of the background"))

            async def transaction(_tx: StoreTransaction | None = None) -> None:
                tasks.append(asyncio.create_task(background()))
                await cell.note(1)
                raise _Undone

            tasks: list[asyncio.Task[None]] = []
            with pytest.raises(_Undone):
                if block == "ours":
                    await store.transaction(transaction)
                else:
                    async with in_transaction(cell.driver):
                        await transaction()
            await tasks[0]
            assert seen == [False]
        assert (cell.notes(), cell.runs()) == ([], ["of the background"])

    cell.run(test)
