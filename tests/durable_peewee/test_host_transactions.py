"""A store call made inside the application's open transaction joins it, and leaves it as it was."""

from __future__ import annotations

from typing import Any

import peewee
import pytest

from durable_core.drive import run_blocking
from durable_core.errors import LeaseLost, RunNotFound, StoreError
from durable_core.records import Guard, RunPatch, SignalWaiter
from durable_core.store import StoreTransaction
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, CellOn, Ran, a_checkpoint, a_run, created


class _Undone(Exception):
    pass


@pytest.fixture
def orders(cell: Cell) -> peewee.Database:
    """The host's database, with a table of its own."""
    database = cell.database()
    database.execute_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    return database


def _orders(cell: Cell) -> list[int]:
    rows = cell.database().execute_sql("SELECT id FROM orders ORDER BY id").fetchall()
    return [number for (number,) in rows]


def _order(database: peewee.Database, number: int) -> None:
    database.execute_sql(f"INSERT INTO orders (id) VALUES ({number})")


def _exists(store: PeeweeStateStore, run_id: str) -> bool:
    return run_blocking(store.get_run(run_id)) is not None


def test_a_run_exists_if_and_only_if_the_hosts_rows_do(cell: Cell, orders: peewee.Database) -> None:
    store, other = cell.store(orders), cell.store()

    with orders.atomic():
        _order(orders, 1)
        created(store, a_run("plain"), a_run("indexed", search_attributes={"n": 1}))
        assert not _exists(other, "plain")
    with pytest.raises(_Undone), orders.atomic():
        _order(orders, 2)
        created(store, a_run("undone"), a_run("undone indexed", search_attributes={"n": 1}))
        raise _Undone

    assert _orders(cell) == [1]
    assert [_exists(other, name) for name in ("plain", "indexed", "undone", "undone indexed")] == [1, 1, 0, 0]


def test_an_expected_failure_leaves_the_hosts_transaction_usable(cell: Cell, orders: peewee.Database) -> None:
    store = cell.store(orders)
    created(store, a_run("held", status="running", locked_by="o-1"), a_run("there"))
    waiter = SignalWaiter(token="t", run_id="held", seq=1)

    with orders.atomic():
        _order(orders, 1)
        assert run_blocking(store.create_run(a_run("there"))) is False
        assert run_blocking(store.create_run(a_run("there", search_attributes={"n": 1}))) is False
        with pytest.raises(LeaseLost):
            run_blocking(store.save_checkpoint(a_checkpoint("held", 1), owner="o-2"))
        with pytest.raises(LeaseLost):
            run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o-2"))
        with pytest.raises(RunNotFound):
            run_blocking(store.update_run("nobody", RunPatch(status="failed", search_attributes={"n": 1})))
        assert run_blocking(store.update_run("held", RunPatch(priority=1), expect=Guard(owner="o-2"))) is False
        _order(orders, 2)

    assert _orders(cell) == [1, 2]


def test_a_failed_call_of_several_statements_undoes_itself_alone(cell: Cell, orders: peewee.Database) -> None:
    store = cell.store(orders)

    with orders.atomic():
        _order(orders, 1)
        with pytest.raises(_Undone):
            run_blocking(store.transaction(_save_then_fail))
        _order(orders, 2)
        created(store, a_run("kept"))

    assert _orders(cell) == [1, 2]
    assert run_blocking(store.list_checkpoints("r")) == []
    assert _exists(store, "kept")


async def _save_then_fail(transaction: StoreTransaction) -> None:
    await transaction.save_checkpoint(a_checkpoint("r", 1))
    raise _Undone


def test_the_hosts_savepoints_keep_their_meaning(cell: Cell, orders: peewee.Database) -> None:
    store = cell.store(orders)

    with orders.atomic():
        created(store, a_run("outer", search_attributes={"n": 1}))
        with pytest.raises(_Undone), orders.atomic():
            created(store, a_run("inner", search_attributes={"n": 1}))
            raise _Undone
        assert _exists(store, "outer")
        assert not _exists(store, "inner")

    assert _exists(store, "outer")
    assert not _exists(store, "inner")


def test_business_rows_and_checkpoint_are_one_commit(cell: Cell, orders: peewee.Database) -> None:
    store = cell.store(orders)
    created(store, a_run("r", status="running", locked_by="o-1"))

    async def work(transaction: StoreTransaction, number: int, owner: str) -> None:
        _order(transaction.raw, number)
        await transaction.save_checkpoint(a_checkpoint("r", number), owner=owner)
        # Unseen until the commit.
        assert run_blocking(cell.store().get_checkpoint("r", number)) is None

    run_blocking(store.transaction(lambda transaction: work(transaction, 1, "o-1")))
    with pytest.raises(LeaseLost):
        run_blocking(store.transaction(lambda transaction: work(transaction, 2, "o-9")))

    assert _orders(cell) == [1]
    assert [one.seq for one in run_blocking(store.list_checkpoints("r"))] == [1]


def test_nothing_of_the_hosts_connection_is_touched_inside_its_transaction(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)

    with database.atomic():
        connection = database.connection()
        created(store, a_run("r"))
        run_blocking(store.deliver_signal("t", 1, NOW))
        run_blocking(store.claim_runs("o-1", NOW_MS, NOW_MS, 5))
        assert database.connection() is connection
        assert database.transaction_depth() == 1

    assert not database.is_closed()


def test_a_host_that_commits_by_hand_is_joined_too(cell: Cell, orders: peewee.Database) -> None:
    store, other = cell.store(orders), cell.store()
    orders.connect(reuse_if_open=True)

    with orders.manual_commit():
        created(store, a_run("autocommitted"), a_run("autocommitted too", search_attributes={"n": 1}))
        assert _exists(other, "autocommitted")
        assert _exists(other, "autocommitted too")
        orders.begin()
        _order(orders, 1)
        created(store, a_run("undone", search_attributes={"n": 1}))
        orders.rollback()
        orders.begin()
        _order(orders, 2)
        created(store, a_run("kept", search_attributes={"n": 1}))
        with pytest.raises(_Undone):
            run_blocking(store.transaction(_save_then_fail))
        orders.commit()

    assert _orders(cell) == [2]
    assert not _exists(other, "undone")
    assert _exists(other, "kept")
    assert run_blocking(other.list_checkpoints("r")) == []


def test_on_commit_waits_for_the_hosts_commit_and_not_for_its_rollback(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)
    called: list[str] = []

    store.on_commit(lambda: called.append("none open"))
    with database.atomic():
        store.on_commit(lambda: called.append("committed"))
        with database.atomic():
            store.on_commit(lambda: called.append("nested"))
        assert called == ["none open"]
    with pytest.raises(_Undone), database.atomic():
        store.on_commit(lambda: called.append("rolled back"))
        raise _Undone
    with database.manual_commit():
        store.on_commit(lambda: called.append("by hand"))

    assert called == ["none open", "committed", "nested", "by hand"]


def test_a_failing_callback_does_not_look_like_a_failed_commit(
    cell: Cell, orders: peewee.Database, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise _Undone

    with orders.atomic():
        _order(orders, 1)
        cell.store(orders).on_commit(fail)

    assert _orders(cell) == [1]
    assert "the commit itself stands" in caplog.text


def test_our_transactions_take_sqlites_write_lock_at_once(cell: Cell) -> None:
    database = cell.database()
    begun: list[Any] = []
    begin = database.begin

    def recorded_begin(*arguments: Any) -> Any:
        begun.append(arguments)
        return begin(*arguments)

    database.begin = recorded_begin  # type: ignore[method-assign]
    store = cell.store(database)

    run_blocking(store.delete_run("r"))

    expected = {"sqlite": [("IMMEDIATE",)], "mariadb": [("READ COMMITTED",)]}
    assert begun == expected.get(cell.name, [()])


def test_the_isolation_level_is_ours_for_one_transaction_alone(cell_on: CellOn) -> None:
    cell = cell_on("mariadb")
    database = cell.database()
    store = cell.store(database)
    with database.connection_context():
        run_blocking(store.delete_run("r"))
        with database.atomic():
            database.execute_sql("SELECT * FROM durable_workflow_runs").fetchall()
            created(cell.store(), a_run("since"))
            # A snapshot of before: the host's transaction is repeatable read, as its server is set up.
            assert database.execute_sql("SELECT id FROM durable_workflow_runs").fetchall() == ()


def test_an_error_of_the_database_inside_the_hosts_transaction_is_told_at_once(
    cell: Cell, orders: peewee.Database
) -> None:
    store = cell.store(orders)
    orders.execute_sql("DROP TABLE durable_buffered_events")

    with Ran.on(orders) as ran, pytest.raises(StoreError), orders.atomic():
        run_blocking(store.remove_buffered_event("e"))

    assert len(ran.matching("DELETE")) == 1
