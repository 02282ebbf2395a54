"""Connections are Pony's: found and left as they were, never used half, and never waited for without end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pony.orm import Database, db_session, flush
from pony.orm.core import local

import durable_pony.session
import durable_pony.sqlite_writers
from durable_core.drive import run_blocking
from durable_core.errors import StoreContention, StoreUnavailable
from durable_pony import PonyStateStore
from durable_shop import eventually
from peewee_cells import NOW, NOW_MS, a_checkpoint, a_run
from pony_cells import PonyCell
from pony_databases import open_pony


def _connection(database: Database) -> Any:
    return database.provider.pool.con


def test_a_call_leaves_the_connection_as_it_found_it(cell: PonyCell) -> None:
    database = cell.database()
    store = PonyStateStore(database)

    assert run_blocking(store.create_run(a_run("r")))
    assert _connection(database) is None
    with db_session:
        database.execute("SELECT 1")
    found = _connection(database)
    run_blocking(store.delete_run("r"))
    assert found is not None
    assert _connection(database) is found


def test_a_thread_of_ours_keeps_one_connection_and_leaves_none(cell: PonyCell) -> None:
    database = cell.database()
    store = PonyStateStore(database)

    async def visit() -> list[Any]:
        seen = []
        async with store.connected():
            for number in range(3):
                await store.create_run(a_run(f"r{number}"))
                seen.append(_connection(database))
        return seen

    seen = run_blocking(visit())
    assert len({id(one) for one in seen}) == 1
    assert seen[0] is not None
    assert _connection(database) is None


def test_threads_that_end_leave_no_connection(server_cell: PonyCell) -> None:
    database = server_cell.database()
    store = PonyStateStore(database)
    before = server_cell.probe.count_connections() or 0

    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda number: run_blocking(store.create_run(a_run(f"r{number}"))), range(32)))

    assert all(created)
    eventually(lambda: (server_cell.probe.count_connections() or 0) <= before, "all connections were closed")


def test_a_call_inside_a_session_uses_its_connection_on_its_thread(cell: PonyCell) -> None:
    shop = cell.shop()
    store = PonyStateStore(shop)

    with db_session:
        shop.Order(number=1)
        flush()
        connection = _connection(shop)
        assert run_blocking(store.create_run(a_run("r")))
        assert run_blocking(store.claim_runs("o-1", NOW_MS, NOW_MS, 5))
        run_blocking(store.deliver_signal("t", 1, NOW))
        assert _connection(shop) is connection
        assert local.db_context_counter == 1
    assert local.db_context_counter == 0


def test_a_bound_database_is_served_before_after_and_without_a_mapping(cell: PonyCell) -> None:
    database = cell.database()
    store = PonyStateStore(database)
    assert run_blocking(store.create_run(a_run("unmapped")))
    database.generate_mapping()
    assert run_blocking(store.create_run(a_run("mapped")))
    with db_session:
        assert run_blocking(store.create_run(a_run("in a session")))
    assert cell.runs() == ["in a session", "mapped", "unmapped"]


def test_a_connection_that_died_while_idle_is_replaced_unseen(
    server_cell: PonyCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable_pony.session, "_IDLE_S", 0)
    database = server_cell.database()
    store = PonyStateStore(database)

    calls: list[Callable[[], object]] = [
        lambda: run_blocking(store.get_run("r")),
        lambda: run_blocking(store.buffer_signal("t", 1)),
        lambda: run_blocking(store.deliver_signal("t", 1, NOW)),
        lambda: run_blocking(store.create_run(a_run("r"))),
    ]
    for call in calls:
        server_cell.kill_connection(database)
        call()
    assert server_cell.runs() == ["r"]


def test_a_connection_that_dies_under_a_call_is_told_where_repeating_could_do_it_twice(server_cell: PonyCell) -> None:
    database = server_cell.database()
    store = PonyStateStore(database)
    assert run_blocking(store.create_run(a_run("there", status="running", locked_by="o-1", locked_until_ms=NOW_MS)))

    repeatable: list[Callable[[], object]] = [
        lambda: run_blocking(store.get_run("r")),
        lambda: run_blocking(store.save_checkpoint(a_checkpoint("there", 1), owner="o-1")),
    ]
    for call in repeatable:
        server_cell.kill_connection(database)
        call()
    others: list[Callable[[], object]] = [
        lambda: run_blocking(store.buffer_signal("t", 1)),
        lambda: run_blocking(store.create_run(a_run("r"))),
        lambda: run_blocking(store.create_run(a_run("indexed", search_attributes={"n": 1}))),
    ]
    for call in others:
        server_cell.kill_connection(database)
        with pytest.raises(StoreUnavailable):
            call()
        call()  # on a new connection
    assert server_cell.runs() == ["indexed", "r", "there"]


def test_a_connection_that_dies_in_our_transaction_does_not_hide_the_reason(server_cell: PonyCell) -> None:
    database = server_cell.database()
    store = PonyStateStore(database)

    class Reason(Exception):
        pass

    async def work(_transaction: Any) -> None:
        server_cell.kill_connection(database)
        raise Reason

    with pytest.raises(Reason):
        run_blocking(store.transaction(work))
    assert local.db_context_counter == 0
    assert run_blocking(store.create_run(a_run("r")))


def test_a_server_that_went_away_and_a_file_that_did_are_told(cell: PonyCell, tmp_path: Path) -> None:
    database = cell.database()
    pool = database.provider.pool
    if cell.name == "sqlite":
        pool.filename, pool.create_db = str(tmp_path / "gone.sqlite3"), False
    elif "dsn" in pool.kwargs:
        pool.kwargs["dsn"] = pool.kwargs["dsn"].replace(":5432/", ":1/")
    else:
        pool.kwargs["port"] = 1

    with pytest.raises(StoreUnavailable) as told:
        run_blocking(PonyStateStore(database).get_run("r"))

    assert told.value.__cause__ is not None
    assert local.db_context_counter == 0


def test_nobody_waits_for_a_writing_thread_for_ever(file_cell: PonyCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_pony.sqlite_writers, "_BUSY_TIMEOUT_S", 0.05)
    shop = file_cell.shop()
    store = PonyStateStore(shop)
    # Pony's own lock has no end: a session that writes here would wait for itself through the other thread.
    with db_session, ThreadPoolExecutor(1) as thread:
        shop.Order(number=1)
        flush()

        def in_a_session() -> None:
            try:
                with db_session:
                    run_blocking(store.create_run(a_run("r")))
            finally:
                shop.disconnect()  # Pony leaves it to the garbage collector, of which Python 3.13 warns

        with pytest.raises(StoreContention, match="keep db_sessions short"):
            thread.submit(in_a_session).result(30)
    with db_session:
        assert run_blocking(store.create_run(a_run("r")))


def test_writers_of_one_process_take_turns_at_a_file(file_cell: PonyCell) -> None:
    database = open_pony(file_cell.address, timeout=0)  # SQLite itself would not wait
    store = PonyStateStore(database)
    with db_session:
        database.execute("SELECT 1")  # a connection that stays: the last one that closes locks the file for a moment
    assert run_blocking(store.get_run("r")) is None
    barrier = threading.Barrier(6)

    def write(number: int) -> bool:
        barrier.wait(30)
        return all(run_blocking(store.create_run(a_run(f"{number}-{each}"))) for each in range(20))

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(write, range(6)))
    database.disconnect()
    assert len(file_cell.runs()) == 120
