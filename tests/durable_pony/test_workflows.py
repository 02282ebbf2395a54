"""Workflows that write the application's entities: with the checkpoint or not at all, on however many threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from pony.orm import PrimaryKey, Required, commit, db_session, flush

from durable_core import AsyncDurable, AsyncWorkflowContext, Durable, StepFailed, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.offload import offload
from durable_core.records import RunPatch
from durable_pony import PonyStateStore
from durable_shop import eventually
from pony_cells import PonyCell


class Bank:
    """The application: accounts as entities, and workflows over them."""

    def __init__(self, cell: PonyCell) -> None:
        self.cell = cell
        self.database = cell.database()

        class Account(self.database.Entity):  # type: ignore[misc, name-defined] # Pony has no types
            name = PrimaryKey(str, 40)
            balance = Required(int)

        self.database.generate_mapping(create_tables=True)
        self.Account: Any = Account
        self.store = PonyStateStore(self.database)
        with db_session:
            Account(name="alice", balance=0)
            Account(name="bob", balance=0)

    def durable(self, **options: Any) -> Durable:
        return Durable(self.store, **options)

    def add(self, name: str, amount: int) -> int:
        self.Account[name].balance += amount
        flush()
        return amount

    def balances(self) -> tuple[int, ...]:
        return tuple(int(one) for (one,) in self.cell.probe.execute("SELECT balance FROM account ORDER BY name"))


@pytest.fixture
def bank(cell: PonyCell) -> Iterator[Bank]:
    bank = Bank(cell)
    yield bank
    bank.database.disconnect()


def test_entities_and_checkpoint_are_one_commit(bank: Bank) -> None:
    class Crash(BaseException):
        pass

    durable = bank.durable(lease="100 ms")
    crashes = [Crash(), Crash()]

    def deposit(amount: int) -> int:
        bank.add("alice", amount)
        if len(crashes) == 2:
            raise crashes.pop()
        return amount

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> int:
        paid = ctx.transaction(deposit, 5)
        if crashes:
            raise crashes.pop()
        return paid

    handle = durable.start(flow, id="r")
    with suppress(Crash):
        durable.run_until_idle()
    assert (bank.balances(), bank.cell.checkpoints()) == ((0, 0), [])
    with suppress(Crash):
        eventually(lambda: durable.run_until_idle() > 0, "the crashed run came back")
    assert (bank.balances(), len(bank.cell.checkpoints())) == ((5, 0), 1)
    eventually(lambda: durable.run_until_idle() > 0, "the run came back again")

    assert handle.result("5 s") == 5
    assert bank.balances() == (5, 0)


@pytest.mark.parametrize("fault", ["raises", "commits", "result", "lease"])
def test_a_failing_step_leaves_neither(bank: Bank, fault: str) -> None:
    durable = bank.durable()

    def deposit(amount: int) -> Any:
        bank.add("alice", amount)
        if fault == "raises":
            raise LookupError("closed on Sundays")
        if fault == "commits":
            commit()
        return {amount} if fault == "result" else amount

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        if fault == "lease":
            thief = RunPatch(locked_by="thief", locked_until_ms=10**13)
            assert run_blocking(bank.store.update_run(ctx.run_id, thief))
        try:
            ctx.transaction(deposit, 5)
        except StepFailed as failed:
            return failed.message
        return "paid"

    handle = durable.start(flow)
    durable.run_until_idle()

    assert bank.balances() == (0, 0)
    if fault == "lease":
        assert bank.cell.checkpoints() == []
        assert handle.get().status == "running"
        return
    expected = {"raises": "closed on Sundays", "commits": "would part the application's rows", "result": "JSON"}
    assert expected[fault] in handle.result("5 s")


def test_a_run_is_started_with_the_entities_or_not_at_all(bank: Bank) -> None:
    durable = bank.durable()

    @durable.workflow()
    def flow(_ctx: WorkflowContext) -> str:
        return "ran"

    durable.boot()
    with suppress(LookupError), db_session:
        bank.add("alice", 1)
        durable.start(flow, id="undone")
        raise LookupError
    with db_session:
        bank.add("bob", 1)
        handle = durable.start(flow, id="kept")

    durable.run_until_idle()
    assert handle.result("5 s") == "ran"
    assert bank.balances() == (0, 1)
    assert bank.cell.runs() == ["kept"]


def test_transactions_that_get_in_each_others_way_are_tried_again(bank: Bank) -> None:
    durable = bank.durable(poll="50 ms")
    attempts: list[str] = []

    def move(source: str, target: str) -> int:
        attempts.append(source)
        bank.add(source, -1)
        bank.add(target, 1)
        return 1

    @durable.workflow()
    def flow(ctx: WorkflowContext, accounts: list[str]) -> int:
        return ctx.transaction(move, *accounts)

    with durable.worker(concurrency=4):
        pairs = [["alice", "bob"], ["bob", "alice"]] * 10
        handles = [durable.start(flow, pair) for pair in pairs]
        assert [handle.result("60 s") for handle in handles] == [1] * 20

    assert bank.balances() == (0, 0)
    for handle in handles:
        (checkpoint,) = run_blocking(bank.store.list_checkpoints(handle.id))
        assert checkpoint.attempts == 1


def test_a_worker_on_threads_leaves_no_connection_behind(bank: Bank) -> None:
    durable = bank.durable(poll="50 ms")
    bank.database.disconnect()
    before = bank.cell.probe.count_connections()
    threads: set[int] = set()

    @durable.step
    def note(number: int) -> int:
        with db_session(immediate=True):
            bank.Account.get_for_update(name="alice").balance += 1
        return number

    @durable.workflow()
    def flow(ctx: WorkflowContext, number: int) -> int:
        threads.add(threading.get_ident())
        return ctx.step(note, number) + ctx.transaction(bank.add, "bob", 1)

    with durable.worker(concurrency=6):
        handles = [durable.start(flow, number) for number in range(30)]
        assert [handle.result("60 s") for handle in handles] == [number + 1 for number in range(30)]

    assert bank.balances() == (30, 30)
    assert len(threads) > 1
    bank.database.disconnect()
    if before is not None:
        eventually(lambda: (bank.cell.probe.count_connections() or 0) <= before, "all connections were closed")


def test_offloaded_to_threads_it_serves_an_event_loop(bank: Bank) -> None:
    before = bank.cell.probe.count_connections()

    async def main() -> list[int]:
        store = offload(bank.store)
        durable = AsyncDurable(store, poll="50 ms")

        @durable.workflow()
        async def flow(ctx: AsyncWorkflowContext, number: int) -> int:
            return await ctx.transaction(bank.add, "alice", number)

        async with durable.worker(concurrency=4):
            handles = [await durable.start(flow, number) for number in range(12)]
            results = [await handle.result("60 s") for handle in handles]
        store.close()
        return results

    assert asyncio.run(main()) == list(range(12))
    assert bank.balances() == (sum(range(12)), 0)
    if before is not None:
        eventually(lambda: (bank.cell.probe.count_connections() or 0) <= before, "all connections were closed")


def test_a_lost_connection_loses_no_half_of_a_step(server_cell: PonyCell) -> None:
    bank = Bank(server_cell)
    durable = bank.durable(lease="100 ms")
    faults = ["before the checkpoint"]

    def deposit(amount: int) -> int:
        bank.add("alice", amount)
        if faults:
            faults.pop()
            server_cell.kill_connection(bank.database)
        return amount

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> int:
        return ctx.transaction(deposit, 5)

    handle = durable.start(flow, id="r")
    with suppress(Exception):
        durable.run_until_idle()
    assert (bank.balances(), server_cell.checkpoints()) == ((0, 0), [])
    eventually(lambda: durable.run_until_idle() > 0, "the run came back")
    assert handle.result("5 s") == 5
    assert bank.balances() == (5, 0)
