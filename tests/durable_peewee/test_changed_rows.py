"""An affected-row count of 0 never means "not yours": MySQL reports changed rows, unless the host asks otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymysql.constants import CLIENT

from durable_core.drive import run_blocking
from durable_core.errors import LeaseLost, RunNotFound
from durable_core.records import BufferedEvent, Guard, RunPatch, SignalWaiter
from durable_core.store import StoreTransaction
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, CellOn, Ran, a_checkpoint, a_run, created, together

_HELD = Guard(owner="o-1")


@pytest.fixture(params=[0, CLIENT.FOUND_ROWS], ids=["changed rows", "found rows"])
def mysql_store(cell_on: CellOn, request: pytest.FixtureRequest) -> PeeweeStateStore:
    cell = cell_on("mariadb")
    database = cell.database(client_flag=request.param)
    database.connect()
    return cell.store(database)


def _twice(make: Any) -> list[Any]:
    return [run_blocking(_awaited(make())) for _ in range(2)]


async def _awaited(call: Awaitable[Any]) -> Any:
    return await call


def test_the_same_values_again_are_a_success(mysql_store: PeeweeStateStore) -> None:
    store = mysql_store
    created(store, a_run("r", status="running", locked_by="o-1", locked_until_ms=NOW_MS))

    assert _twice(lambda: store.update_run("r", RunPatch(priority=7))) == [True, True]
    assert _twice(lambda: store.update_run("r", RunPatch(priority=7), expect=_HELD)) == [True, True]
    both = RunPatch(priority=7, search_attributes={"n": 1})
    assert _twice(lambda: store.update_run("r", both, expect=_HELD)) == [True, True]
    assert _twice(lambda: store.renew_run_lock("r", "o-1", NOW_MS + 5)) == [True, True]
    assert _twice(lambda: store.save_checkpoint(a_checkpoint("r", 1, output=1), owner="o-1")) == [None, None]
    assert _twice(lambda: store.save_checkpoint(a_checkpoint("r", 1, output=1))) == [None, None]
    assert _twice(lambda: store.end_run("r", RunPatch(status="completed"), expect=_HELD)) == [True, True]
    # Lent until the very instant at which it may be taken again: two equal writes, and two leases.
    assert _twice(lambda: store.try_lock_run("r", "o-1", NOW_MS, NOW_MS + 5)) == [True, True]


def test_what_does_not_match_is_a_failure(mysql_store: PeeweeStateStore) -> None:
    store = mysql_store
    created(store, a_run("r", status="running", locked_by="o-1", locked_until_ms=NOW_MS, priority=7))
    theirs = Guard(owner="o-2")

    assert run_blocking(store.update_run("r", RunPatch(priority=7), expect=theirs)) is False
    assert run_blocking(store.update_run("r", RunPatch(priority=8), expect=theirs)) is False
    assert run_blocking(store.end_run("r", RunPatch(status="failed"), expect=theirs)) is False
    assert run_blocking(store.renew_run_lock("r", "o-2", NOW_MS)) is False
    assert run_blocking(store.suspend_run("r", "o-2", NOW_MS, NOW)) is False
    assert run_blocking(store.try_lock_run("r", "o-2", NOW_MS, NOW_MS - 1)) is False
    with pytest.raises(LeaseLost):
        run_blocking(store.save_checkpoint(a_checkpoint("r", 1), owner="o-2"))
    with pytest.raises(RunNotFound):
        run_blocking(store.update_run("nobody", RunPatch(priority=7)))
    run = run_blocking(store.get_run("r"))
    assert run is not None
    assert (run.status, run.priority, run.locked_by, run.locked_until_ms) == ("running", 7, "o-1", NOW_MS)


def test_what_matches_only_at_the_second_look_is_written_then(cell_on: CellOn) -> None:
    cell = cell_on("mariadb")
    store = cell.store()
    created(store, a_run("r", status="running", locked_by="o-2", locked_until_ms=NOW_MS, priority=1))
    give_back = cell.in_thread(lambda other: run_blocking(other.update_run("r", RunPatch(locked_by="o-1"))))
    given: list[bool] = []

    def meanwhile(event: Any) -> None:
        if event.sql.startswith("UPDATE") and not given:
            given.append(together(1, lambda _: give_back())[0])

    store.session.raw.query_hooks.append(meanwhile)
    assert run_blocking(store.update_run("r", RunPatch(priority=7), expect=_HELD)) is True
    run = run_blocking(store.get_run("r"))
    assert run is not None
    assert (given, run.locked_by, run.priority) == ([True], "o-1", 7)


_LATE: dict[str, Callable[[PeeweeStateStore, StoreTransaction], Awaitable[Any]]] = {
    "checkpoint": lambda _, tx: tx.save_checkpoint(a_checkpoint("r", 1), owner="o-1"),
    "change": lambda store, _: store.update_run("r", RunPatch(priority=7), expect=_HELD),
    "end": lambda store, _: store.end_run("r", RunPatch(status="completed"), expect=_HELD),
    "suspension": lambda store, _: store.suspend_run("r", "o-1", NOW_MS, NOW),
    "renewal": lambda store, _: store.renew_run_lock("r", "o-1", NOW_MS),
}


@pytest.mark.parametrize("late", _LATE)
@pytest.mark.parametrize("backend", ["postgres", "mariadb"])
def test_a_transaction_from_before_the_takeover_does_not_think_that_it_holds_the_run(
    cell_on: CellOn, backend: str, late: str
) -> None:
    cell = cell_on(backend)
    store = cell.store()
    created(store, a_run("r", status="running", locked_by="o-1", locked_until_ms=NOW_MS, priority=7))
    stolen = RunPatch(locked_by="o-2", locked_until_ms=NOW_MS + 5)
    steal = cell.in_thread(lambda thief: run_blocking(thief.update_run("r", stolen)))

    async def work(tx: StoreTransaction) -> Any:
        before = await store.get_run("r")  # and what is read from now on may be as old as this
        assert before is not None
        assert before.locked_by == "o-1"
        assert together(1, lambda _: steal()) == [True]
        return await _LATE[late](store, tx)

    if late == "checkpoint":
        with pytest.raises(LeaseLost):
            run_blocking(store.transaction(work))
        assert run_blocking(store.list_checkpoints("r")) == []
    else:
        assert run_blocking(store.transaction(work)) is False
    run = run_blocking(store.get_run("r"))
    assert run is not None
    assert (run.status, run.locked_by, run.locked_until_ms) == ("running", "o-2", NOW_MS + 5)


def test_created_once_and_taken_once(mysql_store: PeeweeStateStore) -> None:
    store = mysql_store
    event = BufferedEvent(id="e", name="n", published_at_ms=NOW_MS, payload=1)
    waiter = SignalWaiter(token="t", run_id="r", seq=1)

    assert _twice(lambda: store.create_run(a_run("r"))) == [True, False]
    assert _twice(lambda: store.create_run(a_run("s", search_attributes={"n": 1}))) == [True, False]
    _twice(lambda: store.buffer_event(event))
    run_blocking(store.buffer_event(BufferedEvent(id="e", name="n", published_at_ms=NOW_MS, payload=2)))
    assert run_blocking(store.list_buffered_events("n", 9)) == [event]
    assert _twice(lambda: store.remove_buffered_event("e")) == [True, False]
    _twice(lambda: store.put_signal_waiter(waiter))
    assert _twice(lambda: store.remove_signal_waiter(waiter)) == [True, False]


def test_a_failure_costs_more_statements_and_a_success_does_not(mysql_store: PeeweeStateStore) -> None:
    store = mysql_store
    created(store, a_run("r", status="running", locked_by="o-1", locked_until_ms=NOW_MS))

    with Ran.on(store.session.raw) as ran:
        assert run_blocking(store.renew_run_lock("r", "o-1", NOW_MS + 5))

    assert len(ran) == 1
