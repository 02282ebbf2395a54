"""SQLite through Tortoise: one connection per process, which waits for others and is never left locked."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from tortoise.context import TortoiseContext
from tortoise.transactions import in_transaction

from durable_conformance.samples import a_checkpoint, a_run
from durable_core.errors import StoreContention, StoreUnavailable
from durable_core.store import StoreTransaction
from durable_tortoise import TortoiseStateStore, sqlite_connections
from tortoise_cells import Cell, CellOn
from workspace import ROOT, run


@pytest.fixture
def cell(cell_on: CellOn) -> Cell:
    return cell_on("sqlite")


def test_tortoise_brings_the_journal_and_the_patience(cell: Cell) -> None:
    """The two things that durable-peewee sees to itself."""

    async def test() -> None:
        async with cell.store() as store:
            raw = store.session.raw
            assert [tuple(row) for row in (await raw.execute_query("PRAGMA journal_mode"))[1]] == [("wal",)]
            assert [tuple(row) for row in (await raw.execute_query("PRAGMA busy_timeout"))[1]] == [(5000,)]

    cell.run(test)


def test_a_transaction_of_ours_takes_the_write_lock_at_once(cell: Cell) -> None:
    """Read first, while another process writes, then write: a deferred transaction would fail at once."""

    async def test() -> None:
        async with cell.store() as store:
            await store.create_run(a_run())

            async def work(tx: StoreTransaction) -> None:
                assert await store.get_run("r1") is not None
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    cell.sql.execute("INSERT INTO notes VALUES (1, 'another process')")
                await tx.save_checkpoint(a_checkpoint())

            cell.sql.execute("PRAGMA busy_timeout = 0")
            await store.transaction(work)
            assert len(await store.list_checkpoints("r1")) == 1

    cell.run(test)


def test_a_transaction_of_ours_waits_for_another_process(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:
            cell.sql.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint())))
            await asyncio.sleep(0.05)
            assert not task.done()
            cell.sql.execute("COMMIT")
            await task
            assert len(await store.list_checkpoints("r1")) == 1

    cell.run(test)


def test_a_file_that_stays_locked_is_contention_and_leaves_nothing_behind(cell: Cell) -> None:
    """Tortoise would leave its dead transaction to be found by every later query of the task."""

    async def test() -> None:
        async with cell.store(busy_timeout=10) as store:
            raw = store.session.raw
            cell.sql.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                with pytest.raises(StoreContention) as caught:
                    await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))
                assert "locked" in str(caught.value.__cause__)
                assert store.session.raw is raw
            with pytest.raises(StoreContention):
                await store.create_run(a_run())
            assert await store.get_run("r1") is None
            cell.sql.execute("COMMIT")
            await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))

    cell.run(test)


def test_a_file_that_cannot_be_opened_is_unavailable_every_time_and_starts_no_thread(tmp_path: Path) -> None:
    """Tortoise would keep its lock on the connection that it failed to open, and the second call would hang.

    aiosqlite would leave a thread behind, which answers to a loop that may be closed by then.
    """
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def starting(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    async def test() -> None:
        context = TortoiseContext()
        with context:
            await context.init(
                db_url=f"sqlite://{tmp_path}/missing/durable.sqlite3", modules={"models": ["tortoise_notes"]}
            )
        store = TortoiseStateStore(context=context)
        async with asyncio.timeout(20):
            with patch.object(threading.Thread, "start", starting):
                for _ in range(2):
                    with pytest.raises(StoreUnavailable):
                        await store.create_run(a_run())
                    with pytest.raises(StoreUnavailable):
                        await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))
            assert started == []
            (tmp_path / "missing").mkdir()
            await store.ensure_schema()
            assert await store.create_run(a_run())
        await context.close_connections()

    asyncio.run(test())


def test_a_transaction_that_waits_for_us_is_told_so_in_the_end(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks share the one connection: the application's transaction waits for our task, and that for it."""
    monkeypatch.setattr(sqlite_connections, "_BUSY_TIMEOUT_S", 0.01)

    async def test() -> None:
        async with cell.store() as store:

            async def ours() -> None:
                async with store.connected():
                    await store.create_run(a_run())

            async with in_transaction(cell.driver):
                await cell.note(1)
                with pytest.raises(StoreContention, match="keep transactions short"):
                    await asyncio.create_task(ours())
                await store.create_run(a_run("r2"))
            await ours()
        assert (cell.notes(), cell.runs()) == (["note 1"], ["r1", "r2"])

    cell.run(test)


def test_a_database_in_memory_serves_one_process() -> None:
    """Tortoise has one connection, so that all tasks see the one database: enough for an application's own tests."""

    async def test() -> None:
        async with TortoiseContext() as context:
            await context.init(db_url="sqlite://:memory:", modules={"models": ["tortoise_notes"]})
            store = TortoiseStateStore()
            await store.ensure_schema()
            await asyncio.gather(*(store.create_run(a_run(f"r{number}")) for number in range(5)))
            assert len(await store.list_pending_runs(9)) == 5

    asyncio.run(test())


def test_a_program_that_closes_its_connections_ends(tmp_path: Path) -> None:
    """aiosqlite's threads keep a process from ending, so none of them may be ours."""
    program = f"""
import asyncio
from tortoise import Tortoise
from durable_tortoise import TortoiseStateStore

async def main():
    await Tortoise.init(db_url="sqlite://{tmp_path}/durable.sqlite3", modules={{"models": ["tortoise_notes"]}})
    store = TortoiseStateStore()
    await store.ensure_schema()
    await store.transaction(lambda tx: store.list_pending_runs(1))
    await Tortoise.close_connections()

asyncio.run(main())
print("ended")
"""
    ended = run(sys.executable, "-W", "error", "-c", program, env={"PYTHONPATH": str(ROOT / "tests")})
    assert ended.stdout == "ended\n"
    with closing(sqlite3.connect(tmp_path / "durable.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM durable_workflow_runs").fetchone() == (0,)
