from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from durable_core.drive import run_blocking
from durable_core.memory import InMemoryStateStore
from durable_core.records import BufferedEvent, BufferedSignal, Guard, RunPatch
from durable_core_samples import AT, LATER_MS, NOW_MS, a_run, a_waiter

T = TypeVar("T")

THREADS = 6
ROUNDS = 100


def _at_once(call: Callable[[int], T]) -> list[T]:
    """What *call* returns on each of some threads that all begin at the same moment."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait(timeout=30)
        return call(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


@pytest.mark.parametrize(
    ("prepare", "race"),
    [
        pytest.param(
            lambda store: None,
            lambda store, number: run_blocking(store.create_run(a_run(input=number))),
            id="create_run",
        ),
        pytest.param(
            lambda store: run_blocking(store.put_signal_waiter(a_waiter())),
            lambda store, number: run_blocking(store.take_signal_waiter("paid")) is not None,
            id="take_signal_waiter",
        ),
        pytest.param(
            lambda store: run_blocking(store.put_signal_waiter(a_waiter())),
            lambda store, number: run_blocking(store.remove_signal_waiter(a_waiter())),
            id="remove_signal_waiter",
        ),
        pytest.param(
            lambda store: run_blocking(store.create_run(a_run())),
            lambda store, number: run_blocking(store.try_lock_run("r", f"o{number}", LATER_MS, NOW_MS)),
            id="try_lock_run",
        ),
        pytest.param(
            lambda store: run_blocking(store.create_run(a_run())),
            lambda store, number: run_blocking(store.claim_runs(f"o{number}", LATER_MS, NOW_MS, 5)) != [],
            id="claim_runs",
        ),
        pytest.param(
            lambda store: run_blocking(store.create_run(a_run(status="suspended", wake_at_ms=NOW_MS))),
            lambda store, number: run_blocking(store.claim_due_runs(f"o{number}", LATER_MS, NOW_MS, 5)) != [],
            id="claim_due_runs",
        ),
        pytest.param(
            lambda store: run_blocking(store.buffer_event(BufferedEvent(id="e", name="n", published_at_ms=0))),
            lambda store, number: run_blocking(store.remove_buffered_event("e")),
            id="remove_buffered_event",
        ),
        pytest.param(
            lambda store: run_blocking(store.create_run(a_run(status="running"))),
            lambda store, number: run_blocking(
                store.end_run("r", RunPatch(status="completed", output=number), expect=Guard(statuses=("running",)))
            ),
            id="end_run",
        ),
    ],
)
def test_of_any_number_of_threads_exactly_one_wins(
    prepare: Callable[[InMemoryStateStore], None], race: Callable[[InMemoryStateStore, int], bool]
) -> None:
    for _ in range(ROUNDS):
        store = InMemoryStateStore()
        prepare(store)
        won = _at_once(lambda number, store=store: race(store, number))  # type: ignore[misc]
        assert won.count(True) == 1
        assert won.count(False) == THREADS - 1


def test_every_buffered_payload_goes_to_exactly_one_taker_in_the_senders_order() -> None:
    store = InMemoryStateStore()
    each = 50

    def send_and_take(number: int) -> list[tuple[int, int]]:
        taken: list[tuple[int, int]] = []
        for count in range(each):
            run_blocking(store.buffer_signal("token", [number, count]))
            got = run_blocking(store.take_buffered_signal("token"))
            assert isinstance(got, BufferedSignal)
            taken.append(tuple(got.payload))
        return taken

    taken = _at_once(send_and_take)
    assert sorted(one for some in taken for one in some) == [(n, c) for n in range(THREADS) for c in range(each)]
    for some in taken:
        for sender in range(THREADS):
            counts = [count for number, count in some if number == sender]
            assert counts == sorted(counts)


def test_a_signal_meets_its_waiter_or_the_buffer_whoever_is_first() -> None:
    for _ in range(ROUNDS):
        store = InMemoryStateStore()
        run_blocking(store.create_run(a_run(status="running", locked_by="me", locked_until_ms=LATER_MS)))

        def meet(number: int, store: InMemoryStateStore = store) -> None:
            if number == 0:
                run_blocking(store.consume_buffered_signal(a_waiter(), AT, owner="me"))
            elif number == 1:
                run_blocking(store.deliver_signal("paid", "payload", AT))

        _at_once(meet)
        checkpoint = run_blocking(store.get_checkpoint("r", 0))
        assert checkpoint is not None
        assert checkpoint.output == "payload"
        assert run_blocking(store.take_buffered_signal("paid")) is None
        assert run_blocking(store.take_signal_waiter("paid")) is None


def test_another_thread_waits_for_the_end_of_a_transaction_and_never_sees_what_was_undone() -> None:
    store = InMemoryStateStore()
    seen: list[object] = []
    reading = threading.Event()

    def read() -> None:
        reading.set()
        seen.append(run_blocking(store.get_run("r")))

    reader = threading.Thread(target=read)
    with pytest.raises(LookupError), store.atomic():
        run_blocking(store.create_run(a_run()))
        reader.start()
        assert reading.wait(timeout=30)
        reader.join(timeout=0.05)
        assert (reader.is_alive(), seen) == (True, [])
        raise LookupError
    reader.join(timeout=30)
    assert seen == [None]


def test_a_callback_belongs_to_the_thread_whose_transaction_is_open() -> None:
    store = InMemoryStateStore()
    called: list[str] = []
    with store.atomic():
        other = threading.Thread(target=lambda: store.on_commit(lambda: called.append("of another thread")))
        other.start()
        other.join(timeout=30)
        assert called == ["of another thread"]


def test_a_callback_may_wait_for_a_thread_that_uses_the_store() -> None:
    store = InMemoryStateStore()
    read = threading.Thread(target=lambda: run_blocking(store.get_run("r")))

    def wait_for_it() -> None:
        read.start()
        read.join(timeout=30)

    with store.atomic():
        run_blocking(store.create_run(a_run()))
        store.on_commit(wait_for_it)
    assert not read.is_alive()
