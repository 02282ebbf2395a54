"""A signal is never lost, never doubled, and never left beside somebody who waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from durable_core.drive import run_blocking
from durable_core.errors import LeaseLost, SignalTokenInUse
from durable_core.records import BufferedSignal, Guard, RunPatch, SignalWaiter, StepCheckpoint
from durable_core.store import StoreTransaction
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, CellOn, a_run, created, eventually, together

_ROUNDS = 60


def _running(store: PeeweeStateStore, *run_ids: str) -> None:
    created(store, *(a_run(one, status="running", locked_by="o", locked_until_ms=NOW_MS + 9) for one in run_ids))


def _buffered(store: PeeweeStateStore, token: str) -> list[object]:
    payloads: list[object] = []
    while (signal := run_blocking(store.take_buffered_signal(token))) is not None:
        payloads.append(signal.payload)
    return payloads


def test_deliver_and_consume_meet_at_the_token(cell: Cell) -> None:
    _running(cell.store(), *(f"r{number}" for number in range(_ROUNDS)))
    start = threading.Barrier(2)

    def work(side: int) -> list[bool]:
        database = cell.database()
        store = cell.store(database)
        met: list[bool] = []
        with database.connection_context():
            for number in range(_ROUNDS):
                start.wait(60)
                if side == 0:
                    met.append(run_blocking(store.deliver_signal(f"t{number}", number, NOW)) is not None)
                else:
                    waiter = SignalWaiter(token=f"t{number}", run_id=f"r{number}", seq=3)
                    met.append(run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o")) is not None)
        return met

    delivered, consumed = together(2, work, timeout_s=180)

    store = cell.store()
    for number in range(_ROUNDS):
        # Exactly one side brings the payload to the run.
        assert delivered[number] is not consumed[number]
        checkpoint = run_blocking(store.get_checkpoint(f"r{number}", 3))
        assert checkpoint is not None
        assert checkpoint.output == number
        assert _buffered(store, f"t{number}") == []
    assert run_blocking(store.list_signal_waiters("")) == []


def test_many_senders_and_one_run_lose_and_double_nothing(cell: Cell) -> None:
    senders, each = 4, 12
    _running(cell.store(), "r")
    sent_by_all = threading.Barrier(senders + 1)

    def work(number: int) -> list[object]:
        database = cell.database()
        store = cell.store(database)
        with database.connection_context():
            if number < senders:
                for count in range(each):
                    run_blocking(store.deliver_signal("t", [number, count], NOW))
                sent_by_all.wait(120)
                return []
            received: list[object] = []
            for seq in range(senders * each):
                waiter = SignalWaiter(token="t", run_id="r", seq=seq)
                checkpoint = run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o"))
                if checkpoint is None:
                    eventually(lambda seq=seq: run_blocking(store.get_checkpoint("r", seq)))  # type: ignore[misc]
                    checkpoint = run_blocking(store.get_checkpoint("r", seq))
                    assert checkpoint is not None
                received.append(checkpoint.output)
            sent_by_all.wait(120)
            return received

    received = together(senders + 1, work, timeout_s=180)[-1]

    assert sorted(map(str, received)) == sorted(str([one, count]) for one in range(senders) for count in range(each))
    for one in range(senders):  # first in, first out per sender
        mine = [payload[1] for payload in received if payload[0] == one]  # type: ignore[index]
        assert mine == sorted(mine)
    store = cell.store()
    assert _buffered(store, "t") == []
    assert run_blocking(store.list_signal_waiters("")) == []


def test_a_consumer_waits_for_the_hosts_open_transaction_and_then_sees_its_signal(cell: Cell) -> None:
    _running(cell.store(), "r")
    host = cell.database()
    waiter = SignalWaiter(token="t", run_id="r", seq=3)

    with ThreadPoolExecutor(1) as threads:
        with host.atomic(*(["IMMEDIATE"] if cell.name == "sqlite" else [])):
            assert run_blocking(cell.store(host).deliver_signal("t", "hello", NOW)) is None
            consuming = threads.submit(
                cell.in_thread(lambda store: run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o")))
            )
            with pytest.raises(TimeoutError):
                consuming.result(0.5)
        checkpoint = consuming.result(30)

    assert checkpoint is not None
    assert checkpoint.output == "hello"
    assert run_blocking(cell.store().list_signal_waiters("")) == []


def test_a_sender_waits_for_a_run_that_is_just_ending_and_keeps_its_payload(cell: Cell) -> None:
    _running(cell.store(), "r")
    run_blocking(cell.store().put_signal_waiter(SignalWaiter(token="t", run_id="r", seq=3)))
    host = cell.database()
    ended = RunPatch(status="completed", locked_by=None, locked_until_ms=None)

    with ThreadPoolExecutor(1) as threads:
        with host.atomic(*(["IMMEDIATE"] if cell.name == "sqlite" else [])):
            assert run_blocking(cell.store(host).update_run("r", ended)) is True
            sending = threads.submit(
                cell.in_thread(lambda store: run_blocking(store.deliver_signal("t", "hello", NOW)))
            )
            with pytest.raises(TimeoutError):
                sending.result(0.5)
        assert sending.result(30) is None

    assert run_blocking(cell.store().list_checkpoints("r")) == []
    assert _buffered(cell.store(), "t") == ["hello"]


def test_a_consumer_whose_run_is_just_being_taken_over_takes_nothing(cell: Cell) -> None:
    _running(cell.store(), "r")
    run_blocking(cell.store().buffer_signal("t", "hello"))
    thief = cell.database()
    waiter = SignalWaiter(token="t", run_id="r", seq=3)

    with ThreadPoolExecutor(1) as threads:
        with thief.atomic(*(["IMMEDIATE"] if cell.name == "sqlite" else [])):
            assert run_blocking(cell.store(thief).try_lock_run("r", "o2", NOW_MS + 99, NOW_MS + 9)) is True
            consuming = threads.submit(
                cell.in_thread(lambda store: run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o")))
            )
            with pytest.raises(TimeoutError):
                consuming.result(0.5)
        with pytest.raises(LeaseLost):
            consuming.result(30)

    assert run_blocking(cell.store().list_checkpoints("r")) == []
    assert run_blocking(cell.store().list_signal_waiters("")) == []
    assert _buffered(cell.store(), "t") == ["hello"]


@pytest.mark.parametrize("backend", ["postgres", "mariadb"])
def test_what_somebody_is_taking_is_passed_over(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    for payload in ("first", "second"):
        run_blocking(cell.store().buffer_signal("t", payload))
    host = cell.database()
    take = cell.in_thread(lambda store: run_blocking(store.take_buffered_signal("t")))
    with ThreadPoolExecutor(1) as threads, host.atomic():
        assert run_blocking(cell.store(host).take_buffered_signal("t")) == BufferedSignal(payload="first")
        assert threads.submit(take).result(20) == BufferedSignal(payload="second")


@pytest.mark.parametrize("backend", ["postgres", "mariadb"])
def test_a_consumer_in_an_older_transaction_sees_what_was_delivered_since(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    store = cell.store()
    waiter = SignalWaiter(token="t", run_id="r", seq=3)
    _running(store, "r")
    run_blocking(store.put_signal_waiter(waiter))
    send = cell.in_thread(lambda sender: run_blocking(sender.deliver_signal("t", "hello", NOW)))

    async def work(_: StoreTransaction) -> StepCheckpoint | None:
        assert await store.get_run("r") is not None  # and what is read from now on may be as old as this
        assert together(1, lambda _: send()) == [waiter]
        return await store.consume_buffered_signal(waiter, NOW, owner="o")

    checkpoint = run_blocking(store.transaction(work))
    assert checkpoint is not None
    assert checkpoint.output == "hello"
    assert run_blocking(store.list_signal_waiters("")) == []


def test_a_sender_waits_for_the_hosts_open_transaction_and_then_finds_its_waiter(cell: Cell) -> None:
    _running(cell.store(), "r")
    host = cell.database()
    waiter = SignalWaiter(token="t", run_id="r", seq=3)

    with ThreadPoolExecutor(1) as threads:
        with host.atomic(*(["IMMEDIATE"] if cell.name == "sqlite" else [])):
            assert run_blocking(cell.store(host).consume_buffered_signal(waiter, NOW, owner="o")) is None
            delivering = threads.submit(
                cell.in_thread(lambda store: run_blocking(store.deliver_signal("t", "hello", NOW)))
            )
            with pytest.raises(TimeoutError):
                delivering.result(0.5)
        assert delivering.result(30) == waiter

    checkpoint = run_blocking(cell.store().get_checkpoint("r", 3))
    assert checkpoint is not None
    assert checkpoint.output == "hello"


def test_a_delivery_that_is_rolled_back_leaves_no_trace(cell: Cell) -> None:
    store = cell.store()
    _running(store, "r")
    host = cell.database()
    run_blocking(store.put_signal_waiter(SignalWaiter(token="waited for", run_id="r", seq=1)))

    with host.atomic() as transaction:
        run_blocking(cell.store(host).deliver_signal("waited for", 1, NOW))
        run_blocking(cell.store(host).deliver_signal("not waited for", 1, NOW))
        transaction.rollback()

    assert [waiter.token for waiter in run_blocking(store.list_signal_waiters(""))] == ["waited for"]
    assert _buffered(store, "not waited for") == []
    assert run_blocking(store.list_checkpoints("r")) == []


def test_ending_a_run_races_its_signal_without_deadlock_or_loss(cell: Cell) -> None:
    store = cell.store()
    names = [f"r{number}" for number in range(_ROUNDS)]
    _running(store, *names)
    for name in names:
        run_blocking(store.put_signal_waiter(SignalWaiter(token=name, run_id=name, seq=1)))
    start = threading.Barrier(2)

    def work(side: int) -> list[bool]:
        database = cell.database()
        mine = cell.store(database)
        served: list[bool] = []
        with database.connection_context():
            for name in names:
                start.wait(60)
                if side == 0:
                    served.append(run_blocking(mine.deliver_signal(name, name, NOW)) is not None)
                else:
                    ended = RunPatch(status="cancelled", locked_by=None, locked_until_ms=None)
                    assert run_blocking(mine.end_run(name, ended, expect=Guard(statuses=("running",))))
        return served

    served = together(2, work, timeout_s=180)[0]

    for name, was_served in zip(names, served, strict=True):
        # Delivered while the run lived, or kept for whoever comes next.
        assert (run_blocking(store.get_checkpoint(name, 1)) is not None) is was_served
        assert _buffered(store, name) == ([] if was_served else [name])
    assert run_blocking(store.list_signal_waiters("")) == []


def test_a_token_in_use_is_refused_and_one_of_an_ended_run_taken_over(cell: Cell) -> None:
    store = cell.store()
    _running(store, "mine", "theirs")
    theirs = SignalWaiter(token="t", run_id="theirs", seq=1, parallel_group="g")
    mine = SignalWaiter(token="t", run_id="mine", seq=2)
    run_blocking(store.put_signal_waiter(theirs))
    run_blocking(store.buffer_signal("t", "kept"))

    with pytest.raises(SignalTokenInUse):
        run_blocking(store.consume_buffered_signal(mine, NOW, owner="o"))

    assert run_blocking(store.list_signal_waiters("t")) == [theirs]
    assert _buffered(store, "t") == ["kept"]
    run_blocking(store.update_run("theirs", RunPatch(status="failed")))
    assert run_blocking(store.consume_buffered_signal(mine, NOW, owner="o")) is None
    assert run_blocking(store.list_signal_waiters("t")) == [mine]
    assert run_blocking(store.deliver_signal("t", 1, NOW)) == mine


def test_what_was_delivered_during_the_turn_is_not_waited_for_again(cell: Cell) -> None:
    store = cell.store()
    _running(store, "r")
    waiter = SignalWaiter(token="t", run_id="r", seq=3)
    run_blocking(store.put_signal_waiter(waiter))
    run_blocking(store.deliver_signal("t", "first", NOW))
    run_blocking(store.deliver_signal("t", "second", NOW))

    checkpoint = run_blocking(store.consume_buffered_signal(waiter, NOW, owner="o"))

    assert checkpoint is not None
    assert checkpoint.output == "first"
    assert run_blocking(store.list_signal_waiters("")) == []
    assert _buffered(store, "t") == ["second"]
