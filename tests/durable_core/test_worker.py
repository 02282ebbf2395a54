"""Workers on real threads: bounded, woken at once, patient with a failing store, and gone without a trace."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from durable_core import (
    ConfigurationError,
    Durable,
    InMemoryStateStore,
    InvalidValue,
    StoreUnavailable,
    WorkflowContext,
)
from durable_core.drive import run_blocking
from durable_core.records import WorkflowRun
from durable_core.testing import FakeRuntime
from durable_shop import eventually


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Whoever starts a thread ends it."""
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before, "the threads ended", within_s=5)


def test_a_start_is_picked_up_long_before_the_next_poll() -> None:
    durable = Durable(InMemoryStateStore(), poll="60 s")

    @durable.workflow()
    def flow(ctx: WorkflowContext, n: int) -> int:
        return n

    with durable.worker():
        time.sleep(0.1)  # the worker has looked once, and waits for its bell or for a minute
        assert durable.start(flow, 1).result("10 s") == 1
        assert [durable.start(flow, n).result("10 s") for n in range(5)] == list(range(5))


def test_a_signal_and_a_finished_turn_ring_the_bell_too() -> None:
    durable = Durable(InMemoryStateStore(), poll="60 s")

    @durable.step(max_attempts=2, backoff="0 s")
    def step() -> None: ...

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        ctx.step(step)
        return ctx.wait_for_signal("go")

    with durable.worker(concurrency=1):
        handles = [durable.start(flow, id="r")]
        eventually(lambda: handles[0].get().status == "suspended", "the run waits")
        durable.signal("go", 5)
        assert handles[0].result("10 s") == 5


def test_a_start_that_commits_later_is_picked_up_at_its_commit() -> None:
    store = InMemoryStateStore()
    durable = Durable(store, poll="60 s")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return "done"

    with durable.worker():
        time.sleep(0.05)
        with store.atomic():
            handle = durable.start(flow)
        assert handle.result("10 s") == "done"


def test_no_more_runs_at_once_than_asked_for() -> None:
    durable = Durable(InMemoryStateStore(), poll="10 ms")
    lock = threading.Lock()
    now, most = [0], [0]

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    handles = [durable.start(flow) for _ in range(30)]
    with durable.worker(concurrency=3):
        for handle in handles:
            handle.result("20 s")
    assert most == [3]


@pytest.mark.parametrize("phase", ["claim_due_runs", "claim_runs", "list_incomplete_runs"])
def test_a_failing_phase_stops_no_other(phase: str, caplog: pytest.LogCaptureFixture) -> None:
    class OnePhaseFails(InMemoryStateStore):
        pass

    async def fail(self: Any, *args: Any, **kwargs: Any) -> list[WorkflowRun]:
        raise RuntimeError("the query fails")

    store = OnePhaseFails()
    durable = Durable(store, poll="10 ms")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        ctx.sleep("1 ms")
        return "done"

    due = durable.start(flow, id="due")
    durable.run_until_idle()
    setattr(OnePhaseFails, phase, fail)
    with durable.worker():
        pending = durable.start(flow, id="pending")
        if phase == "claim_runs":
            assert due.result("10 s") == "done"
        else:
            eventually(lambda: pending.get().status in {"suspended", "completed"}, "the pending run was taken")
        eventually(lambda: "the query fails" in caplog.text, "the failing phase was told of")


def test_a_connection_that_cannot_be_had_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    class Away(InMemoryStateStore):
        away = 3

        def connected(self) -> Any:
            if self.away:
                self.away -= 1
                raise StoreUnavailable("the server restarts")
            return super().connected()

    durable = Durable(Away(), poll="10 ms")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return "done"

    with durable.worker():
        assert durable.start(flow).result("10 s") == "done"
    assert "the server restarts" in caplog.text


def test_what_exits_in_a_step_ends_its_turn_and_not_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    durable = Durable(InMemoryStateStore(), poll="10 ms", lease="100 ms")
    exits = [1, 1]

    @durable.step
    def parse() -> str:
        if exits:
            sys.exit(exits.pop())
        return "parsed"

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.step(parse)

    with durable.worker(concurrency=1):
        assert durable.start(flow).result("20 s") == "parsed"


def test_a_drained_turn_ends_at_its_next_step_and_is_handed_over_uncounted() -> None:
    store = InMemoryStateStore()
    durable = Durable(store, poll="10 ms")
    begun, go_on = threading.Event(), threading.Event()
    ran: list[str] = []

    @durable.step
    def first() -> None:
        begun.set()
        assert go_on.wait(10)
        ran.append("first")

    @durable.step
    def second() -> None:
        ran.append("second")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        ctx.step(first)
        ctx.step(second)
        return "done"

    handle = durable.start(flow, id="r")
    with durable.worker() as loop:
        assert begun.wait(10)
        loop.stop()
        go_on.set()
    run = handle.get()
    assert (run.status, run.locked_by, run.recovery_attempts) == ("pending", None, None)
    assert ran == ["first"]

    durable.run_until_idle()
    assert handle.result("1 s") == "done"
    assert ran == ["first", "second"]


def test_turns_beyond_the_grace_period_are_left_to_their_leases(caplog: pytest.LogCaptureFixture) -> None:
    store = InMemoryStateStore()
    durable = Durable(store, poll="10 ms", grace="50 ms", lease="300 ms")
    begun, go_on = threading.Event(), threading.Event()

    @durable.step
    def stuck() -> str:
        begun.set()
        go_on.wait(20)
        return "late"

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.step(stuck)

    handle = durable.start(flow, id="r")
    with durable.worker():
        assert begun.wait(10)
        ends = time.monotonic() + 5
    assert time.monotonic() < ends
    assert "1 turns did not stop within 50 ms" in caplog.text
    assert handle.get().status == "running"

    successor = Durable(store, poll="10 ms")
    step = successor.step(name="stuck")(lambda: "by the successor")
    successor.workflow(name="flow")(lambda ctx: ctx.step(step))
    with successor.worker():
        assert successor.handle("r").result("10 s") == "by the successor"
    go_on.set()


def test_boot_errors_reach_whoever_starts_the_worker() -> None:
    class Unreachable(InMemoryStateStore):
        async def ensure_schema(self) -> None:
            raise StoreUnavailable("no route to host")

    durable = Durable(Unreachable())
    durable.workflow(name="flow")(lambda ctx: None)
    with pytest.raises(StoreUnavailable, match="no route to host"), durable.worker():
        raise AssertionError("it began")


def test_a_worker_needs_something_to_serve_and_room_to_do_it() -> None:
    durable = Durable(InMemoryStateStore())
    with pytest.raises(ConfigurationError, match="knows no workflow"), durable.worker():
        pass
    durable.workflow(name="flow")(lambda ctx: None)
    for concurrency in (0, -1, True, "4", 1.5):
        with pytest.raises(InvalidValue, match="concurrency must be 1 or more"):
            durable.worker_loop(concurrency=concurrency)  # type: ignore[arg-type]


def test_neither_timers_nor_pending_runs_starve() -> None:
    runtime = FakeRuntime()
    durable = Durable(InMemoryStateStore(), runtime=runtime)

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.sleep("1 h")

    for number in range(4):
        durable.start(flow, id=f"old{number}")
    durable.run_until_idle()
    runtime.advance("1 h")
    for number in range(4):
        durable.start(flow, id=f"new{number}")
    loop = durable.worker_loop()

    first, second = (run_blocking(loop._claim(f"py:{number}", 2)) for number in range(2))
    assert {run.id[:3] for run in first} | {run.id[:3] for run in second} == {"new", "old"}


def test_namespaces_do_not_see_each_other() -> None:
    store = InMemoryStateStore()
    ours, theirs = Durable(store, namespace="ours"), Durable(store, namespace="theirs")
    for durable in (ours, theirs):
        durable.workflow(name="flow")(lambda ctx: ctx.namespace)
    run = theirs.start("flow")

    assert ours.run_until_idle() == 0
    loop = ours.worker_loop(namespace="theirs")
    assert run_blocking(loop.run_until_idle()) == 1
    assert run.result("1 s") == "theirs"
