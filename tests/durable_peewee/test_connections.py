"""Connections are the host's: opened only when none is open, closed only by whoever opened them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import peewee
import pytest

from durable_core.drive import run_blocking
from durable_core.errors import StoreUnavailable
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, CellOn, a_checkpoint, a_run, created, eventually, together


def test_a_call_leaves_the_connection_as_it_found_it(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)

    created(store, a_run("r"), a_run("s", search_attributes={"n": 1}))
    assert database.is_closed()
    database.connect()
    connection = database.connection()
    run_blocking(store.get_run("r"))
    run_blocking(store.delete_run("s"))

    assert database.connection() is connection


def test_a_database_that_connects_only_when_told_to_is_served(cell: Cell) -> None:
    database = cell.database(autoconnect=False)
    store = cell.store(database)

    created(store, a_run("r"))

    assert database.is_closed()


def test_a_proxy_is_served_once_it_has_its_database(cell: Cell) -> None:
    proxy = peewee.DatabaseProxy()
    store = PeeweeStateStore(proxy)
    proxy.initialize(cell.database())
    created(store, a_run("r", search_attributes={"n": 1}))
    with proxy.atomic():
        created(store, a_run("joined", search_attributes={"n": 1}))
        assert run_blocking(cell.store().get_run("joined")) is None

    assert store.session.raw is proxy.obj
    assert run_blocking(cell.store().get_run("joined")) is not None


def test_a_pool_of_three_serves_ten_threads_and_gets_everything_back(cell: Cell) -> None:
    # A pool of SQLite connections moves them between threads, which the host must allow.
    threads = {"check_same_thread": False} if cell.name == "sqlite" else {}
    database: Any = cell.database(pooled=True, max_connections=3, timeout=30, **threads)
    store = cell.store(database)

    def work(number: int) -> None:
        async def visit() -> None:
            async with store.connected():
                for count in range(4):
                    await store.create_run(a_run(f"{number}-{count}", search_attributes={"n": 1}))
                    await store.claim_runs(f"o-{number}", NOW_MS + 9, NOW_MS, 1)
                    database.connect(reuse_if_open=True)  # what user code left open

        run_blocking(visit())

    together(10, work)

    assert database._in_use == {}
    assert len(database._connections) <= 3
    runs = [*run_blocking(store.list_incomplete_runs()), *run_blocking(store.list_pending_runs(99))]
    assert len(runs) == 40


def test_an_exhausted_pool_is_told_as_what_it_is(cell: Cell) -> None:
    database = cell.database(pooled=True, max_connections=1)
    store = cell.store(database)
    with database.connection_context():
        errors = together(1, lambda _: _error_of(lambda: run_blocking(store.create_run(a_run("r")))))

    assert isinstance(errors[0], StoreUnavailable)
    assert "pool" in str(errors[0])


def _error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def test_a_thread_of_ours_keeps_one_connection_and_leaves_none(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)

    async def visit() -> list[Any]:
        seen = []
        async with store.connected():
            for number in range(3):
                await store.create_run(a_run(f"r{number}"))
                seen.append(database.connection())
        return seen

    seen = run_blocking(visit())

    assert len({id(connection) for connection in seen}) == 1
    assert database.is_closed()


def test_a_connection_that_was_open_before_survives_the_visit(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)
    database.connect()

    async def visit() -> None:
        async with store.connected():
            await store.create_run(a_run("r"))

    run_blocking(visit())

    assert not database.is_closed()


def _kill_connection_of(cell: Cell, database: peewee.Database) -> None:
    """End the connection that this thread has open, as a server that restarts would."""
    administrator = cell.database()
    connection: Any = database.connection()
    if cell.is_postgres:
        backend = connection.info.backend_pid
        administrator.execute_sql("SELECT pg_terminate_backend(%s)", (backend,))
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    else:
        backend = connection.thread_id()
        administrator.execute_sql(f"KILL {backend}")
        gone = "SELECT count(*) FROM information_schema.processlist WHERE id = %s"
    eventually(lambda: administrator.execute_sql(gone, (backend,)).fetchone()[0] == 0)
    administrator.close()


@pytest.fixture(params=["postgres", "postgres3", "mariadb"])
def server_cell(cell_on: CellOn, request: pytest.FixtureRequest) -> Cell:
    return cell_on(request.param)


@pytest.mark.parametrize("pooled", [False, True], ids=["plain", "pooled"])
def test_a_dead_connection_is_replaced_under_a_repeatable_call(server_cell: Cell, pooled: bool) -> None:
    database = server_cell.database(pooled=pooled)
    store = server_cell.store(database)
    database.connect()
    created(store, a_run("r", status="running", locked_by="o-1", locked_until_ms=NOW_MS))

    for call in (
        lambda: run_blocking(store.get_run("r")),
        lambda: run_blocking(store.save_checkpoint(a_checkpoint("r", 1), owner="o-1")),
        lambda: run_blocking(store.renew_run_lock("r", "o-1", NOW_MS + 9)),
        lambda: run_blocking(store.delete_run("r")),
    ):
        _kill_connection_of(server_cell, database)
        call()
        # The host had it open, so the host has one again.
        assert not database.is_closed()
    assert run_blocking(store.get_run("r")) is None


def test_a_dead_connection_is_told_where_repeating_could_do_it_twice(server_cell: Cell) -> None:
    database = server_cell.database()
    store = server_cell.store(database)
    database.connect()

    for call in (
        lambda: run_blocking(store.buffer_signal("t", 1)),
        lambda: run_blocking(store.deliver_signal("t", 1, NOW)),
        lambda: run_blocking(store.create_run(a_run("r"))),
    ):
        _kill_connection_of(server_cell, database)
        with pytest.raises(StoreUnavailable):
            call()
        call()  # on a new connection

    assert run_blocking(store.get_run("r")) is not None


def test_a_connection_that_dies_in_the_hosts_transaction_stays_the_hosts(server_cell: Cell) -> None:
    database = server_cell.database()
    store = server_cell.store(database)
    database.connect()

    with pytest.raises(Exception) as caught, database.atomic():
        _kill_connection_of(server_cell, database)
        with pytest.raises(StoreUnavailable):
            run_blocking(store.get_run("r"))
        assert database.in_transaction()
        with pytest.raises(StoreUnavailable):
            run_blocking(store.delete_run("r"))
        assert database.in_transaction()

    assert isinstance(caught.value, peewee.PeeweeException)
    assert run_blocking(store.get_run("r")) is None


def test_a_connection_that_dies_in_our_transaction_does_not_hide_the_reason(server_cell: Cell) -> None:
    database = server_cell.database()
    store = server_cell.store(database)
    database.connect()

    class Reason(Exception):
        pass

    async def work(transaction: Any) -> None:
        _kill_connection_of(server_cell, database)
        raise Reason

    with pytest.raises(Reason):
        run_blocking(store.transaction(work))

    assert not database.in_transaction()
    created(store, a_run("r"))


@pytest.mark.parametrize("backend", ["postgres", "postgres3", "mariadb"])
def test_a_server_that_is_not_there_is_told(cell_on: CellOn, backend: str) -> None:
    store = cell_on(backend).store(cell_on(backend).database(port=1))

    with pytest.raises(StoreUnavailable) as told:
        run_blocking(store.get_run("r"))

    assert isinstance(told.value.__cause__, peewee.PeeweeException)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Any) -> None:
    store = PeeweeStateStore(peewee.SqliteDatabase(str(tmp_path / "no folder" / "x.db")))

    with pytest.raises(StoreUnavailable):
        run_blocking(store.get_run("r"))


def test_offloaded_to_threads_it_serves_an_event_loop(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)

    async def in_thread(number: int) -> bool:
        def call() -> bool:
            assert threading.current_thread() is not threading.main_thread()
            return run_blocking(store.create_run(a_run(f"r{number}")))

        return await asyncio.to_thread(call)

    async def main() -> list[bool]:
        return await asyncio.gather(*map(in_thread, range(8)))

    assert asyncio.run(main()) == [True] * 8


def test_a_forked_process_does_not_wait_for_its_parents_writers(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    store = cell.store(cell.database(timeout=0.2))
    funnel = store.session._host()._funnel  # type: ignore[attr-defined]
    with funnel.passed():
        child = os.fork()
        if not child:
            signal.alarm(10)  # rather than wait for ever
            try:
                run_blocking(store.create_run(a_run("r")))
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    assert run_blocking(store.get_run("r")) is not None
