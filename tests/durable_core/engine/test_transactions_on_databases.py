"""ctx.transaction on real databases: business rows and checkpoint are one commit."""

from __future__ import annotations

import threading
from contextlib import suppress

from durable_core import Durable, StepFailed, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.records import RunPatch
from durable_shop import Shop, eventually


def test_a_crash_after_the_commit_does_not_write_twice(shop: Shop) -> None:
    class Crash(BaseException):
        pass

    durable = Durable(shop.store, lease="100 ms")
    shop.open_account("alice")
    crashes = [Crash()]

    def deposit(amount: int) -> int:
        return shop.add("alice", amount)

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> int:
        paid = ctx.transaction(deposit, 5)
        if crashes:
            raise crashes.pop()
        return paid

    handle = durable.start(flow, id="r")
    with suppress(Crash):
        durable.run_until_idle()
    eventually(lambda: durable.run_until_idle() > 0, "the crashed run came back")

    assert handle.result("5 s") == 5
    assert shop.balance("alice") == 5


def test_a_crash_before_the_commit_leaves_neither_row_nor_checkpoint(shop: Shop) -> None:
    class Crash(BaseException):
        pass

    durable = Durable(shop.store, lease="100 ms")
    shop.open_account("alice")
    crashes = [Crash()]

    def deposit(amount: int) -> int:
        shop.add("alice", amount)
        if crashes:
            raise crashes.pop()
        return amount

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> int:
        return ctx.transaction(deposit, 5)

    handle = durable.start(flow, id="r")
    with suppress(Crash):
        durable.run_until_idle()
    assert shop.balance("alice") == 0
    eventually(lambda: durable.run_until_idle() > 0, "the crashed run came back")

    assert handle.result("5 s") == 5
    assert shop.balance("alice") == 5


def test_an_error_leaves_nothing_of_the_business_rows(shop: Shop) -> None:
    durable = Durable(shop.store)
    shop.open_account("alice")

    def deposit(amount: int) -> None:
        shop.add("alice", amount)
        raise LookupError("closed on Sundays")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        try:
            ctx.transaction(deposit, 5)
        except StepFailed as failed:
            return failed.message
        return "paid"

    handle = durable.start(flow)
    durable.run_until_idle()
    assert handle.result("5 s") == "closed on Sundays"
    assert shop.balance("alice") == 0


def test_a_checkpoint_that_cannot_be_written_takes_the_business_rows_with_it(shop: Shop) -> None:
    durable = Durable(shop.store)
    shop.open_account("alice")

    def deposit(amount: int) -> set[int]:
        shop.add("alice", amount)
        return {amount}

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        try:
            ctx.transaction(deposit, 5)
        except StepFailed as failed:
            return str(failed.code)
        return "paid"

    deposit.__annotations__.clear()
    handle = durable.start(flow)
    durable.run_until_idle()
    assert handle.result("5 s") == "NotJsonSerializable"
    assert shop.balance("alice") == 0


def test_a_lease_lost_meanwhile_takes_the_business_rows_back(shop: Shop) -> None:
    durable = Durable(shop.store)
    shop.open_account("alice")
    balances: list[int] = []

    def deposit(amount: int) -> None:
        shop.add("alice", amount)
        balances.append(shop.Account.get_by_id("alice").balance)

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        thief = RunPatch(locked_by="thief", locked_until_ms=10**13)
        assert run_blocking(shop.store.update_run(ctx.run_id, thief))
        ctx.transaction(deposit, 5)

    durable.start(flow, id="r")
    durable.run_until_idle()

    assert balances == [5], "the transaction did not even begin"
    assert shop.balance("alice") == 0
    assert run_blocking(shop.store.list_checkpoints("r")) == []
    assert durable.get_run("r").locked_by == "thief"


def test_business_transactions_that_deadlock_are_tried_again(shop: Shop) -> None:
    durable = Durable(shop.store)
    shop.open_account("alice")
    shop.open_account("bob")
    both = threading.Barrier(2, timeout=10)
    first_time = threading.local()

    def move(source: str, target: str) -> int:
        shop.add(source, -1)
        if shop.address.server is not None and not getattr(first_time, "met", False):
            first_time.met = True
            both.wait()
        shop.add(target, 1)
        return 1

    @durable.workflow()
    def flow(ctx: WorkflowContext, accounts: list[str]) -> int:
        return ctx.transaction(move, *accounts)

    with durable.worker(concurrency=2):
        handles = [durable.start(flow, ["alice", "bob"]), durable.start(flow, ["bob", "alice"])]
        assert [handle.result("20 s") for handle in handles] == [1, 1]

    assert (shop.balance("alice"), shop.balance("bob")) == (0, 0)
    for handle in handles:
        (checkpoint,) = run_blocking(shop.store.list_checkpoints(handle.id))
        assert checkpoint.attempts == 1
