"""Deadlocks, serialization failures, busy files: our own calls run again, bounded; the host's transaction is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee
import pytest

from durable_core.drive import run_blocking
from durable_core.errors import StoreContention
from durable_core.records import RunPatch, SignalWaiter
from durable_peewee import PeeweeStateStore
from durable_sql.store_retries import TRIES
from peewee_cells import Cell, CellOn, Ran, a_run, created, eventually

_PATCH = RunPatch(priority=1, search_attributes={"n": 2})


@pytest.fixture(params=["postgres", "postgres3", "mariadb"])
def server_cell(cell_on: CellOn, request: pytest.FixtureRequest) -> Cell:
    cell = cell_on(request.param)
    created(cell.store(), a_run("r", search_attributes={"n": 1}), *(a_run(f"ballast-{number}") for number in range(9)))
    return cell


def _waits_for_a_lock(cell: Cell, watcher: peewee.Database) -> bool:
    if cell.is_postgres:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    else:
        sql = (
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id "
            "IN (SELECT id FROM information_schema.processlist WHERE db = DATABASE())"
        )
    return bool(watcher.execute_sql(sql).fetchone()[0])


def _deadlock(cell: Cell, work: Any) -> Any:
    """Run *work*, which takes the run and then its attributes, against one who takes them the other way round.

    The other one is made to win: it has done more (MariaDB rolls back who did less), and is slower to look for
    deadlocks (PostgreSQL rolls back who looks first).
    """
    host, watcher = cell.database(), cell.database()
    with ThreadPoolExecutor(1) as threads, host.atomic():
        if cell.is_postgres:
            host.execute_sql("SET LOCAL deadlock_timeout = '60s'")
        for number in range(9):
            host.execute_sql(f"UPDATE durable_workflow_runs SET priority = 9 WHERE id = 'ballast-{number}'")
        host.execute_sql("UPDATE durable_run_attributes SET num_value = 5 WHERE run_id = 'r'")
        doing = threads.submit(work)
        # MariaDB refreshes what it tells of its transactions only if nobody asked for a tenth of a second.
        eventually(lambda: _waits_for_a_lock(cell, watcher), every_s=0.15)
        host.execute_sql("UPDATE durable_workflow_runs SET priority = 3 WHERE id = 'r'")
        host.commit()
        host.begin()
        return doing.result(60)


def test_a_deadlocked_call_runs_again_and_succeeds(server_cell: Cell) -> None:
    def work() -> int:
        database = server_cell.database()
        store = server_cell.store(database)
        with database.connection_context(), Ran.on(database) as ran:
            assert run_blocking(store.update_run("r", _PATCH))
        return ran.begun

    begun = _deadlock(server_cell, work)

    assert begun == 2
    run = run_blocking(server_cell.store().get_run("r"))
    assert run is not None
    assert run.priority == 1
    assert run.search_attributes == {"n": 2}


def test_a_deadlock_in_the_hosts_transaction_is_told_at_once(server_cell: Cell) -> None:
    def work() -> tuple[type[BaseException], bool, int]:
        database = server_cell.database()
        store = server_cell.store(database)
        still_open = False
        with (
            database.connection_context(),
            Ran.on(database) as ran,
            pytest.raises(Exception) as caught,
            database.atomic(),
        ):
            try:
                run_blocking(store.update_run("r", _PATCH))
            finally:
                still_open = database.in_transaction()
        return caught.type, still_open, len(ran.matching("UPDATE"))

    error, still_open, updates = _deadlock(server_cell, work)

    assert error is StoreContention
    assert still_open
    assert updates == 1


def test_contention_met_by_a_statement_that_returns_rows_is_told_as_such(server_cell: Cell) -> None:
    """Peewee wraps what such a statement raises twice; the driver's own error lies beneath both."""
    host, database = server_cell.database(), server_cell.database()
    store = server_cell.store(database)
    run_blocking(store.put_signal_waiter(SignalWaiter(token="t", run_id="r", seq=0)))
    impatience = "SET lock_timeout = '50ms'" if server_cell.is_postgres else "SET innodb_lock_wait_timeout = 1"
    with host.atomic(), database.connection_context():
        host.execute_sql("UPDATE durable_signal_waiters SET seq = 1 WHERE token = 't'")
        database.execute_sql(impatience)
        with pytest.raises(StoreContention), database.atomic():
            run_blocking(store.take_signal_waiter("t"))


@pytest.mark.parametrize("backend", ["postgres", "postgres3"])
def test_a_serialization_failure_runs_again(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    created(cell.store(), a_run("r", search_attributes={"n": 1}))
    level: Any = "SERIALIZABLE"
    database = cell.database(isolation_level=level)
    store = cell.store(database)
    host, watcher = cell.database(), cell.database()

    def work() -> int:
        with database.connection_context(), Ran.on(database) as ran:
            assert run_blocking(store.update_run("r", _PATCH))
        return ran.begun

    with ThreadPoolExecutor(1) as threads:
        with host.atomic():
            host.execute_sql("UPDATE durable_workflow_runs SET priority = 3 WHERE id = 'r'")
            doing = threads.submit(work)
            eventually(lambda: _waits_for_a_lock(cell, watcher))
        assert doing.result(60) == 2


def _impatient_store(cell: Cell) -> PeeweeStateStore:
    database = cell.database(timeout=0.01, pragmas={"busy_timeout": 10})
    database.connect()
    store = cell.store(database)
    assert run_blocking(store.get_run("r")) is None
    return store


def test_a_busy_file_is_tried_a_bounded_number_of_times(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    store = _impatient_store(cell)
    other = cell.database()

    with other.atomic("IMMEDIATE"), Ran.on(store.session.raw) as ran:
        with pytest.raises(StoreContention):
            run_blocking(store.create_run(a_run("r")))
        assert len(ran) == TRIES
        with pytest.raises(StoreContention):
            run_blocking(store.create_run(a_run("r", search_attributes={"n": 1})))
        assert ran.begun == TRIES

    assert run_blocking(store.create_run(a_run("r"))) is True


def test_a_file_that_is_busy_for_a_moment_is_waited_for(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    store = _impatient_store(cell)
    other: Any = cell.database()
    other.begin("IMMEDIATE")
    tries: list[Any] = []

    def let_go(event: Any) -> None:
        tries.append(event)
        if len(tries) == TRIES - 1:
            other.rollback()

    store.session.raw.query_hooks.append(let_go)
    created(store, a_run("r"))

    assert len(tries) == TRIES


def test_a_snapshot_that_is_too_old_to_write_is_told_inside_the_hosts_transaction(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    store = _impatient_store(cell)
    host = store.session.raw

    with pytest.raises(StoreContention), host.atomic():  # deferred, as the host's own are
        run_blocking(store.get_run("r"))
        created(cell.store(), a_run("since"))
        run_blocking(store.create_run(a_run("r")))

    assert not host.in_transaction()
    assert run_blocking(store.create_run(a_run("r"))) is True


def test_what_the_user_does_in_a_transaction_is_never_done_twice(cell_on: CellOn) -> None:
    store = _impatient_store(cell_on("sqlite"))
    done: list[int] = []

    async def work(transaction: Any) -> None:
        done.append(1)
        raise StoreContention("as a deadlock in it would")

    with pytest.raises(StoreContention):
        run_blocking(store.transaction(work))

    assert done == [1]


def test_writers_of_one_process_take_turns_at_a_sqlite_file(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    inside = threading.Event()
    leave = threading.Event()

    async def linger(transaction: Any) -> None:
        inside.set()
        assert leave.wait(20)

    with ThreadPoolExecutor(2) as threads:
        lingering = threads.submit(cell.in_thread(lambda store: run_blocking(store.transaction(linger))))
        assert inside.wait(20)
        # Readers pass; a writer does not even ask SQLite, which would be busy, before it is its turn.
        assert run_blocking(cell.store().get_run("r")) is None
        database = cell.database(timeout=20)
        with Ran.on(database) as ran:
            writing = threads.submit(lambda: run_blocking(cell.store(database).delete_run("r")))
            with pytest.raises(TimeoutError):
                writing.result(0.5)
            assert ran.begun == 0
            leave.set()
            lingering.result(20)
            writing.result(20)
            assert ran.begun == 1


def test_a_writer_inside_the_hosts_transaction_never_waits_for_the_funnel(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    host = cell.database()
    with ThreadPoolExecutor(1) as threads, host.atomic("IMMEDIATE"):
        waiting = threads.submit(cell.in_thread(lambda store: run_blocking(store.create_run(a_run("other")))))
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        created(cell.store(host), a_run("mine"), a_run("mine too", search_attributes={"n": 1}))
        host.commit()
        host.begin()
        assert waiting.result(20) is True
