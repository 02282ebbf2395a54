"""Starts and signals inside the application's own transaction, on every database: one outcome for both."""

from __future__ import annotations

import threading
import time

import pytest

from durable_core import Durable, RunAlreadyExists, WorkflowContext
from durable_shop import Shop, eventually


def serving(shop: Shop, poll: str) -> Durable:
    """A durable with one workflow that reads what the application wrote."""
    durable = Durable(shop.store, poll=poll)

    @durable.workflow()
    def flow(ctx: WorkflowContext, name: str) -> int:
        return int(shop.Account.get_by_id(name).balance)

    durable.boot()
    return durable


def test_a_run_exists_if_and_only_if_the_business_rows_do(shop: Shop) -> None:
    durable = serving(shop, "60 s")
    with durable.worker():
        time.sleep(0.1)  # the worker has looked once; from now on only its bell can wake it within a minute
        with pytest.raises(LookupError), shop.database, shop.database.atomic():
            shop.Account.create(name="rolled back", balance=1)
            durable.start("flow", "rolled back", id="rolled back")
            raise LookupError
        with shop.database, shop.database.atomic():
            shop.Account.create(name="alice", balance=7)
            handle = durable.start("flow", "alice", id="alice")
            time.sleep(0.05)
        assert handle.result("30 s") == 7
    assert [run.id for run in durable.list_runs()] == ["alice"]


def test_an_inner_savepoint_that_is_rolled_back_takes_its_run_along(shop: Shop) -> None:
    durable = serving(shop, "10 ms")
    with shop.database, shop.database.atomic():
        shop.Account.create(name="alice", balance=7)
        with pytest.raises(LookupError), shop.database.atomic():
            durable.start("flow", "alice", id="inner")
            raise LookupError
        durable.start("flow", "alice", id="outer")
        with pytest.raises(RunAlreadyExists):
            _other(durable).start("other", id="outer")
        durable.start("flow", "alice", id="outer")

    durable.run_until_idle()
    assert durable.handle("outer").result("10 s") == 7
    assert [run.id for run in durable.list_runs()] == ["outer"]


# On SQLite who has read may not write once another has written, and is told so.
@pytest.mark.parametrize("backend", ["postgres", "postgres3", "mariadb"])
def test_a_run_that_another_started_since_this_transaction_first_looked_is_found(shop: Shop) -> None:
    durable = serving(shop, "60 s")
    shop.open_account("alice", 7)

    def another_request() -> None:
        with shop.database:
            durable.start("flow", "alice", id="order:1")
            durable.start("flow", "alice", id="ended")
            assert durable.cancel("ended") is True

    with shop.database, shop.database.atomic():
        assert shop.Account.get_by_id("alice").balance == 7  # on MariaDB all later reads are of this instant
        thread = threading.Thread(target=another_request)
        thread.start()
        thread.join()
        assert durable.start("flow", "alice", id="order:1").id == "order:1"
        assert durable.cancel("ended") is False
        with pytest.raises(RunAlreadyExists):
            _other(durable).start("other", id="order:1")
    assert len(durable.list_runs()) == 2


def _other(durable: Durable) -> Durable:
    durable.workflow(name="other")(lambda ctx: None)
    return durable


def test_every_turn_begins_with_no_transaction_open(shop: Shop) -> None:
    durable = Durable(shop.store, poll="10 ms")
    seen: list[bool] = []

    @durable.step
    def look() -> None:
        seen.append(bool(shop.database.in_transaction()))

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(bool(shop.database.in_transaction()))
        ctx.step(look)
        ctx.sleep("1 ms")
        ctx.step(look)

    durable.boot()
    with shop.database, shop.database.atomic():
        handles = [durable.start(flow) for _ in range(3)]
    with durable.worker(concurrency=2):
        for handle in handles:
            handle.result("30 s")
    assert set(seen) == {False}


def test_a_signal_joins_the_transaction(shop: Shop) -> None:
    durable = Durable(shop.store, poll="60 s")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> object:
        return ctx.wait_for_signal("go")

    with durable.worker():
        handle = durable.start(flow)
        eventually(lambda: handle.get().status == "suspended", "the run waits")
        with pytest.raises(LookupError), shop.database, shop.database.atomic():
            assert durable.signal("go", "rolled back") is True
            raise LookupError
        with shop.database, shop.database.atomic():
            assert durable.signal("go", "committed") is True
        assert handle.result("30 s") == "committed"
