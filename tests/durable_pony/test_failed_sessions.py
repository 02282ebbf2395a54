"""Sessions that go wrong halfway: nothing of them is committed, and never a half."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pony.orm import Database, OptimisticCheckError, PrimaryKey, Required, commit, db_session, flush, rollback
from pony.orm.core import CommitException, TransactionIntegrityError, local

from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError, StoreContention, StoreUnavailable
from durable_core.records import RunPatch
from durable_core.store import StoreTransaction
from durable_pony import PonyStateStore
from peewee_cells import a_checkpoint, a_run
from pony_cells import PonyCell


class _Undone(Exception):
    pass


@pytest.fixture
def shop(cell: PonyCell) -> Database:
    return cell.shop()


@pytest.fixture
def store(shop: Database) -> PonyStateStore:
    return PonyStateStore(shop)


@pytest.mark.parametrize("flushed", [True, False])
def test_entities_of_a_failed_call_are_never_committed(
    cell: PonyCell, shop: Database, store: PonyStateStore, flushed: bool
) -> None:
    async def work(transaction: StoreTransaction) -> None:
        transaction.raw.Order(number=2)
        if flushed:
            flush()
        await transaction.save_checkpoint(a_checkpoint("r", 1))
        raise _Undone

    with pytest.raises(CommitException, match="cannot be committed: let the error pass"), db_session:
        shop.Order(number=1)
        with pytest.raises(_Undone):
            run_blocking(store.transaction(work))
        shop.Order(number=3)

    assert (cell.orders(), cell.checkpoints()) == ([], [])
    with db_session:
        shop.Order(number=4)
    assert cell.orders() == [4]


@pytest.mark.parametrize("host_session", [True, False])
def test_nobody_parts_the_business_rows_from_the_checkpoint(
    cell: PonyCell, shop: Database, store: PonyStateStore, host_session: bool
) -> None:
    async def commits(transaction: StoreTransaction) -> None:
        transaction.raw.Order(number=1)
        commit()

    async def rolls_back(transaction: StoreTransaction) -> None:
        transaction.raw.Order(number=2)
        flush()
        rollback()
        await transaction.save_checkpoint(a_checkpoint("r", 1))

    for work, expected in ((commits, CommitException), (rolls_back, ConfigurationError)):
        if host_session:
            with db_session, pytest.raises(expected, match="which would part the application's rows"):
                run_blocking(store.transaction(work))
        else:
            with pytest.raises(expected, match="which would part the application's rows"):
                run_blocking(store.transaction(work))
        assert (cell.orders(), cell.checkpoints()) == ([], [])
    assert local.db_context_counter == 0


def test_no_half_of_a_transaction_survives_a_lost_connection(server_cell: PonyCell) -> None:
    shop = server_cell.shop()
    store = PonyStateStore(shop)

    async def work(transaction: StoreTransaction) -> None:
        transaction.raw.Order(number=1)
        flush()
        server_cell.kill_connection(shop)
        await transaction.save_checkpoint(a_checkpoint("r", 1))

    async def host_meets_it(transaction: StoreTransaction) -> None:
        await transaction.save_checkpoint(a_checkpoint("r", 1))
        server_cell.kill_connection(shop)
        transaction.raw.Order(number=2)

    for one in (work, host_meets_it):
        with pytest.raises(StoreUnavailable):
            run_blocking(store.transaction(one))
        assert (server_cell.orders(), server_cell.checkpoints()) == ([], [])
    with pytest.raises(StoreUnavailable), db_session:
        shop.Order(number=3)
        flush()
        server_cell.kill_connection(shop)
        run_blocking(store.create_run(a_run("second half")))
    assert (server_cell.orders(), server_cell.runs()) == ([], [])
    assert run_blocking(store.create_run(a_run("afterwards")))


def test_what_entities_meet_because_of_others_is_contention(cell: PonyCell, shop: Database) -> None:
    counter = cell.database()

    class Counter(counter.Entity):  # type: ignore[misc, name-defined]
        id = PrimaryKey(int)
        value = Required(int)

    counter.generate_mapping(create_tables=True)
    with db_session:
        Counter(id=1, value=1)
    store = PonyStateStore(counter)
    rows: Any = Counter

    async def work(transaction: StoreTransaction) -> None:
        row = rows[1]
        row.value += 1
        if cell.name == "sqlite":
            raise OptimisticCheckError("the file is locked, so nobody can have changed it")
        cell.probe.execute("UPDATE counter SET value = 10")
        await transaction.save_checkpoint(a_checkpoint("r", 1))

    with pytest.raises(StoreContention):
        run_blocking(store.transaction(work))
    assert cell.checkpoints() == []


def test_pony_repeats_what_met_contention_in_a_call_of_ours(server_cell: PonyCell) -> None:
    shop = server_cell.shop()
    store, other = PonyStateStore(shop), server_cell.probe
    impatience = {
        "postgres": "SET LOCAL lock_timeout = '50ms'",
        "mariadb": "SET SESSION innodb_lock_wait_timeout = 1",
    }[server_cell.name]
    assert run_blocking(store.create_run(a_run("r")))
    attempts: list[int] = []

    @db_session(retry=2)  # type: ignore[untyped-decorator] # Pony has no types
    def place_order() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 2:
            other.execute("COMMIT")
        shop.Order(number=len(attempts))
        shop.execute(impatience)
        assert run_blocking(store.update_run("r", RunPatch(priority=1)))

    other.execute("BEGIN")
    other.execute("UPDATE durable_workflow_runs SET priority = 2")
    place_order()

    assert attempts == [0, 1]
    assert server_cell.orders() == [2]


@pytest.mark.parametrize("kind", ["serializable", "immediate", "ddl"])
def test_sessions_of_every_kind_are_joined(cell: PonyCell, shop: Database, store: PonyStateStore, kind: str) -> None:
    for fails in (True, False):
        with suppress(_Undone), db_session(**{kind: True}):
            assert run_blocking(store.get_run("r")) is None
            shop.Order(number=1)
            assert run_blocking(store.create_run(a_run("r", search_attributes={"n": 1})))
            if fails:
                raise _Undone
        assert (cell.orders(), cell.runs()) == (([], []) if fails else ([1], ["r"]))


def test_the_hosts_own_mistake_is_told_in_ponys_words(cell: PonyCell, shop: Database, store: PonyStateStore) -> None:
    cell.probe.execute("INSERT INTO orders (number) VALUES (1)")

    async def work(transaction: StoreTransaction) -> None:
        await transaction.save_checkpoint(a_checkpoint("r", 1))
        transaction.raw.Order(number=1)

    with pytest.raises(TransactionIntegrityError):
        run_blocking(store.transaction(work))
    assert cell.checkpoints() == []
