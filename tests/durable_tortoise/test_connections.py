"""What a store takes from the application's pool, and that it gives it back."""

from __future__ import annotations

import asyncio

from tortoise.transactions import in_transaction

from durable_conformance.samples import LEASE_MS, NOW, NOW_MS, a_checkpoint, a_run, a_waiter
from durable_core.store import StoreTransaction
from durable_sql.schema.layouts import layout_of
from durable_sql.session import Statement
from durable_tortoise import TortoiseSession, TortoiseStateStore
from tortoise_cells import Cell


def test_everything_works_on_a_pool_of_one(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store(**cell.one_connection) as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint(7))
                await cell.note(1)

            async with store.connected():
                for number in range(3):
                    await store.create_run(a_run(f"r{number}", search_attributes={"n": number}))
                assert len(await store.claim_runs("o-1", LEASE_MS, NOW_MS, 9)) == 3
                assert await store.consume_buffered_signal(a_waiter("t", "r1"), NOW, owner="o-1") is None
                assert await store.deliver_signal("t", 1, NOW) is not None
                await store.transaction(work)
                await asyncio.gather(*(store.get_run("r1") for _ in range(9)))
        assert cell.notes() == ["note 1"]

    cell.run(test)


def test_no_connection_is_kept_between_calls(cell: Cell) -> None:
    """A crowd of turns shares the few connections of the application."""

    async def test() -> None:
        async with cell.store(**({} if cell.kind == "sqlite" else {"minsize": 1, "maxsize": 3})) as store:

            async def turn(number: int) -> None:
                async with store.connected():
                    await store.create_run(a_run(f"r{number}"))
                    await together.wait()  # every one of them is in the middle of its turn
                    await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint(0, f"r{number}")))

            together = asyncio.Barrier(20)
            await asyncio.gather(*(turn(number) for number in range(20)))
            assert (cell.sql.count_connections() or 0) <= 4  # theirs, and the test's own
        assert len(cell.runs()) == 20

    cell.run(test)


def test_many_tasks_make_the_tables_at_once_and_leave_no_lock(cell: Cell) -> None:
    """MySQL's named lock belongs to a connection: taken on one and released on another it would stay for ever."""

    async def test() -> None:
        async with cell.application():
            store = TortoiseStateStore(cell.driver)
            await asyncio.gather(*(store.ensure_schema() for _ in range(5)))
            await store.verify_schema()
            session = store.session
            if (lock := layout_of(session.dialect).connection_lock) is not None:
                name = lock[1].partition("(")[2].rpartition(")")[0]
                assert await session.fetch(Statement(f"SELECT IS_FREE_LOCK({name}) AS is_free")) == [{"is_free": 1}]

    cell.run(test)


def test_one_connection_is_kept_where_a_lock_belongs_to_it(cell: Cell) -> None:
    identity = {
        "sqlite": "SELECT 1 AS id",
        "postgres": "SELECT pg_backend_pid() AS id",
        "mysql": "SELECT connection_id() AS id",
    }[cell.kind]

    async def test() -> None:
        async with cell.application():
            session = TortoiseSession(cell.driver)

            async def who() -> int:
                return int((await session.fetch(Statement(identity)))[0]["id"])

            async with session.connected():
                assert not session.in_transaction()
                seen = {(await asyncio.gather(who(), who()))[0] for _ in range(4)}
                async with session.transaction():
                    await cell.note(1)
                    assert cell.notes() == [], "a transaction beside it is a transaction"
            assert cell.notes() == ["note 1"]
            if cell.kind == "mysql":
                assert len(seen) == 1

    cell.run(test)


def test_read_committed_is_for_the_transaction_that_asked_and_no_other(served: Cell) -> None:
    async def test() -> None:
        async with served.store(**served.one_connection) as store:

            async def sees_what_others_commit(number: int, *, read_committed: bool) -> bool:
                count = Statement("SELECT count(*) AS n FROM notes")
                async with store.session.transaction(read_committed=read_committed):
                    before = await store.session.fetch(count)
                    served.sql.execute(f"INSERT INTO notes VALUES ({number}, 'note {number}')")
                    return await store.session.fetch(count) != before

            assert await sees_what_others_commit(1, read_committed=True)
            assert await sees_what_others_commit(2, read_committed=False) is (served.kind == "postgres")

    served.run(test)


def test_the_hosts_isolation_is_the_hosts(cell: Cell) -> None:
    """A savepoint cannot have another one, so nothing is said about it."""

    async def test() -> None:
        async with cell.store() as store, in_transaction(cell.driver):
            async with store.session.transaction(read_committed=True):
                await store.create_run(a_run())
            assert await store.get_run("r1") is not None
        assert cell.runs() == ["r1"]

    cell.run(test)
