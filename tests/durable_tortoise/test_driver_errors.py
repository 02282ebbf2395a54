"""What each driver says, told alike; calls of ours that others got in the way of run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from tortoise.transactions import in_transaction

from database_probe import Probe
from durable_conformance.samples import a_checkpoint, a_run
from durable_core.errors import SchemaMissing, StoreContention, StoreError
from durable_core.records import RunPatch
from durable_core.store import StoreTransaction
from durable_sql.session import DuplicateKey, Statement
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell, eventually

REFUSED: dict[str, type[StoreError]] = {
    "INSERT INTO notes (id, text) VALUES (1, 'same key')": DuplicateKey,
    "INSERT INTO notes (id, text) VALUES (2, 'note 1')": DuplicateKey,
    "SELECT missing FROM notes": SchemaMissing,
    "SELECT 1 FROM nowhere": SchemaMissing,
    "INSERT INTO notes (id) VALUES (3)": StoreError,
    "SELEKT 1": StoreError,
}


def test_a_refused_statement_is_told_alike_by_every_driver(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            await cell.note(1)
            session = TortoiseStateStore(cell.driver).session
            for sql, kind in REFUSED.items():
                run = session.execute if sql.startswith("INSERT") else session.fetch
                with pytest.raises(StoreError) as alone:
                    await run(Statement(sql))
                with pytest.raises(StoreError) as inside:
                    async with session.transaction():
                        await run(Statement(sql))
                for caught in (alone, inside):
                    assert (type(caught.value), sql) == (kind, sql)
                    assert caught.value.__cause__ is not None
            assert cell.notes() == ["note 1"]

    cell.run(test)


def test_counts_and_rows_are_what_the_statement_did(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            session = TortoiseStateStore(cell.driver).session
            mark = session.dialect.placeholder
            insert = f"INSERT INTO notes (id, text) VALUES ({mark(1)}, {mark(2)}), ({mark(3)}, {mark(4)})"
            assert await session.execute(Statement(insert, (1, "100%", 2, "%s"))) == 2
            assert await session.fetch(Statement("SELECT text FROM notes ORDER BY id")) == [
                {"text": "100%"},
                {"text": "%s"},
            ]
            assert await session.fetch(Statement("SELECT id FROM notes WHERE text LIKE '%0%'")) == [{"id": 1}]
            assert await session.execute(Statement(f"UPDATE notes SET text = 'new' WHERE id = {mark(1)}", (1,))) == 1
            if session.dialect.has_returning:
                update = Statement(f"UPDATE notes SET text = 'newer' WHERE id = {mark(1)} RETURNING id, text", (1,))
                assert await session.fetch(update) == [{"id": 1, "text": "newer"}]
            assert await session.execute(Statement("DELETE FROM notes WHERE id > 0")) == 2
            assert await session.execute(Statement("DELETE FROM notes WHERE id > 0")) == 0

    cell.run(test)


def test_a_statement_of_the_hosts_that_is_to_blame_itself_passes_as_it_is(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:

            async def work(_tx: StoreTransaction) -> None:
                await cell.note(1)
                await cell.note(1)

            with pytest.raises(Exception, match=r"(?i)unique|duplicate") as caught:
                await store.transaction(work)
            assert type(caught.value).__module__ == "tortoise.exceptions"

            async def unreachable(_tx: StoreTransaction) -> None:
                raise ConnectionRefusedError("the payment provider's")

            with pytest.raises(ConnectionRefusedError):
                await store.transaction(unreachable)

    cell.run(test)


def test_a_lock_that_others_keep_is_contention_also_under_the_hosts_own_statement(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:
            await served.note(1)
            lock = "SELECT id FROM notes WHERE id = 1 FOR UPDATE"
            served.sql.execute("BEGIN")
            served.sql.execute(lock)

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                await tx.raw.execute_query(f"{lock} NOWAIT")

            with pytest.raises(StoreContention):
                await store.transaction(work)
            with pytest.raises(StoreContention):
                await store.session.fetch(Statement(f"{lock} NOWAIT"))
            served.sql.execute("COMMIT")
            await store.transaction(work)

    served.run(test)


async def _deadlocked(cell: Cell, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run *work*, which takes the run and then its attributes, against one who takes them the other way round.

    The other one is made to win: it has done more (MariaDB rolls back who did less), and is slower to look for
    deadlocks (PostgreSQL rolls back who looks first).
    """
    with closing(Probe(cell.address)) as other:
        other.execute("BEGIN")
        if cell.kind == "postgres":
            other.execute("SET LOCAL deadlock_timeout = '60s'")
        for number in range(9):
            other.execute(f"UPDATE durable_workflow_runs SET priority = 9 WHERE id = 'ballast-{number}'")
        other.execute("UPDATE durable_run_attributes SET num_value = 5 WHERE run_id = 'r1'")
        doing = asyncio.ensure_future(work())
        # MariaDB refreshes what it tells of its transactions only if nobody asked for a tenth of a second.
        await eventually(lambda: _somebody_waits(cell), every_s=0.2)
        await asyncio.to_thread(other.execute, "UPDATE durable_workflow_runs SET priority = 3 WHERE id = 'r1'")
        other.execute("COMMIT")
        return await doing


def _somebody_waits(cell: Cell) -> bool:
    if cell.kind == "postgres":
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    else:
        sql = (
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id "
            "IN (SELECT id FROM information_schema.processlist WHERE db = DATABASE())"
        )
    return bool(cell.sql.execute(sql)[0][0])


async def _filled(store: TortoiseStateStore) -> None:
    await store.create_run(a_run("r1", search_attributes={"n": 1}))
    for number in range(9):
        await store.create_run(a_run(f"ballast-{number}"))


def test_a_call_that_lost_a_deadlock_runs_again(served: Cell) -> None:
    patch = RunPatch(priority=1, search_attributes={"n": 2})

    async def test() -> None:
        async with served.store() as store:
            await _filled(store)
            assert await _deadlocked(served, lambda: store.update_run("r1", patch)) is True
            changed = await store.get_run("r1")
            assert changed is not None
            assert (changed.priority, changed.search_attributes) == (1, {"n": 2})

    served.run(test)


def test_the_host_is_told_of_a_deadlock_that_its_transaction_lost(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:
            await _filled(store)

            async def hosts() -> None:
                async with in_transaction(served.driver):
                    await served.note(1)
                    await store.update_run("r1", RunPatch(priority=7, search_attributes={"n": 7}))

            with pytest.raises(StoreContention):
                await _deadlocked(served, hosts)
            assert served.notes() == []

    served.run(test)
