"""A store call made inside the application's ``db_session`` joins it, and leaves it as it was."""

from __future__ import annotations

import pony
import pytest
from pony.orm import Database, commit, db_session, rollback
from pony.orm.core import TransactionIntegrityError

from durable_core.drive import run_blocking
from durable_core.errors import LeaseLost, RunNotFound
from durable_core.records import Guard, RunPatch, SignalWaiter
from durable_core.store import StoreTransaction
from durable_pony import PonyStateStore
from peewee_cells import NOW, NOW_MS, a_checkpoint, a_run
from pony_cells import PonyCell


class _Undone(Exception):
    pass


@pytest.fixture
def shop(cell: PonyCell) -> Database:
    return cell.shop()


@pytest.fixture
def store(shop: Database) -> PonyStateStore:
    return PonyStateStore(shop)


def _create(store: PonyStateStore, *run_ids: str) -> None:
    for run_id in run_ids:
        assert run_blocking(store.create_run(a_run(run_id)))
        assert run_blocking(store.create_run(a_run(f"{run_id} indexed", search_attributes={"n": 1})))


async def _save_then_fail(transaction: StoreTransaction) -> None:
    await transaction.save_checkpoint(a_checkpoint("r", 1))
    raise _Undone


def test_a_run_exists_if_and_only_if_the_hosts_rows_do(cell: PonyCell, shop: Database, store: PonyStateStore) -> None:
    with db_session:
        shop.Order(number=1)
        _create(store, "kept")
        shop.Order(number=2)
        assert cell.runs() == []
    with pytest.raises(_Undone), db_session:
        shop.Order(number=3)
        _create(store, "undone")
        raise _Undone
    with db_session:
        shop.Order(number=4)
        _create(store, "rolled back")
        rollback()

    assert cell.orders() == [1, 2]
    assert cell.runs() == ["kept", "kept indexed"]


def test_what_the_host_has_not_flushed_goes_first(cell: PonyCell, shop: Database, store: PonyStateStore) -> None:
    with db_session:
        shop.Order(number=1)
        _create(store, "after")
        assert shop.select("SELECT count(*) FROM orders") == [1]
        with pytest.raises(TransactionIntegrityError):
            shop.execute("INSERT INTO orders (number) VALUES (7)")
            shop.Order(number=7)
            # The host's own mistake, in the host's own words.
            run_blocking(store.create_run(a_run("refused")))
        rollback()

    assert cell.runs() == []


def test_an_expected_failure_leaves_the_hosts_session_usable(
    cell: PonyCell, shop: Database, store: PonyStateStore
) -> None:
    for run in (a_run("held", status="running", locked_by="o-1"), a_run("there")):
        assert run_blocking(store.create_run(run))
    waiter = SignalWaiter(token="t", run_id="held", seq=1)

    with db_session:
        shop.Order(number=1)
        assert run_blocking(store.create_run(a_run("there"))) is False
        assert run_blocking(store.create_run(a_run("there", search_attributes={"n": 1}))) is False
        with pytest.raises(LeaseLost):
            run_blocking(store.save_checkpoint(a_checkpoint("held", 1), owner="o-2"))
        with pytest.raises(LeaseLost):
            run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o-2"))
        with pytest.raises(RunNotFound):
            run_blocking(store.update_run("nobody", RunPatch(status="failed", search_attributes={"n": 1})))
        assert run_blocking(store.update_run("held", RunPatch(priority=1), expect=Guard(owner="o-2"))) is False
        shop.Order(number=2)

    assert cell.orders() == [1, 2]


def test_a_failed_call_of_several_statements_undoes_itself_alone(
    cell: PonyCell, shop: Database, store: PonyStateStore
) -> None:
    with db_session:
        shop.Order(number=1)
        with pytest.raises(_Undone):
            run_blocking(store.transaction(_save_then_fail))
        shop.Order(number=2)
        _create(store, "kept")

    assert cell.orders() == [1, 2]
    assert cell.runs() == ["kept", "kept indexed"]
    assert cell.checkpoints() == []


def test_business_rows_and_checkpoint_are_one_commit(cell: PonyCell, shop: Database, store: PonyStateStore) -> None:
    assert run_blocking(store.create_run(a_run("r", status="running", locked_by="o-1")))

    async def work(transaction: StoreTransaction, number: int, owner: str) -> None:
        transaction.raw.Order(number=number)
        await transaction.save_checkpoint(a_checkpoint("r", number), owner=owner)
        assert (cell.orders(), cell.checkpoints()) == ([], [])

    run_blocking(store.transaction(lambda transaction: work(transaction, 1, "o-1")))
    assert (cell.orders(), cell.checkpoints()) == ([1], [1])
    cell.probe.execute("DELETE FROM orders")
    cell.probe.execute("DELETE FROM durable_step_checkpoints")
    with pytest.raises(LeaseLost):
        run_blocking(store.transaction(lambda transaction: work(transaction, 2, "o-9")))
    assert (cell.orders(), cell.checkpoints()) == ([], [])


def test_on_commit_waits_for_the_hosts_commit_and_not_for_its_rollback(
    cell: PonyCell, shop: Database, store: PonyStateStore
) -> None:
    called: list[str] = []

    store.on_commit(lambda: called.append("none open"))
    with db_session:
        store.on_commit(lambda: called.append("committed"))
        with db_session:
            store.on_commit(lambda: called.append("nested"))
        assert called == ["none open"]
        commit()
        assert called == ["none open", "committed", "nested"]
        store.on_commit(lambda: called.append("at the end"))
    with pytest.raises(_Undone), db_session:
        store.on_commit(lambda: called.append("rolled back"))
        raise _Undone

    assert called == ["none open", "committed", "nested", "at the end"]


def test_a_savepoint_that_is_undone_takes_its_callbacks_along(shop: Database, store: PonyStateStore) -> None:
    called: list[str] = []

    async def work(_transaction: StoreTransaction) -> None:
        store.on_commit(lambda: called.append("undone"))
        raise _Undone

    with db_session:
        store.on_commit(lambda: called.append("kept"))
        with pytest.raises(_Undone):
            run_blocking(store.transaction(work))

    assert called == ["kept"]


def test_a_failing_callback_does_not_look_like_a_failed_commit(
    cell: PonyCell, shop: Database, store: PonyStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise _Undone

    with db_session:
        shop.Order(number=1)
        store.on_commit(fail)

    assert cell.orders() == [1]
    assert "the commit itself stands" in caplog.text


def test_reading_in_a_session_begins_no_transaction_that_was_not_begun(file_cell: PonyCell) -> None:
    shop, other = file_cell.shop(), file_cell.store()
    store = PonyStateStore(shop)

    with db_session:
        assert run_blocking(store.get_run("nobody")) is None
        # Another writer would have to wait for this session's end if the read had taken the file's lock.
        file_cell.probe.execute("INSERT INTO orders (number) VALUES (5)")
    assert run_blocking(other.create_run(a_run("free"))) is True


def test_a_claim_inside_a_session_is_the_sessions(cell: PonyCell, shop: Database, store: PonyStateStore) -> None:
    _create(store, "r")
    with pytest.raises(_Undone), db_session:
        assert len(run_blocking(store.claim_runs("o-1", NOW_MS + 60_000, NOW_MS, 5))) == 2
        raise _Undone
    assert [run.status for run in run_blocking(store.list_pending_runs(5))] == ["pending", "pending"]


def test_what_was_begun_interactively_is_joined_too(
    cell: PonyCell, shop: Database, store: PonyStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pony, "MODE", "INTERACTIVE")  # as in a Python shell, where no db_session is needed

    shop.Order(number=1)
    _create(store, "undone")
    rollback()
    shop.Order(number=2)
    _create(store, "kept")
    assert cell.runs() == []
    commit()

    assert (cell.orders(), cell.runs()) == ([2], ["kept", "kept indexed"])
    rollback()
