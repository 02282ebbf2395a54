"""A turn that has lost its run writes nothing more; a cancelled run stays cancelled; a long turn keeps its lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import pytest

from durable_core import Durable, InMemoryStateStore, RunCancelled, RunNotFound, StoreUnavailable, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.engine.leases import Lease
from durable_core.engine.options import EngineOptions
from durable_core.engine.recovery import recover_expired
from durable_core.records import RunPatch
from durable_core.worker import WorkerLoop
from durable_shop import eventually
from durable_world import World


def recover_elsewhere(world: World) -> None:
    """The lease ends, and another process gives the run back to whoever wants it."""
    world.runtime.advance("30 s")
    other = world.process()
    other.workflow(name="other")(lambda ctx: None)
    assert run_blocking(recover_expired(world.store, world.runtime, EngineOptions())) == 1


def fail(ctx: WorkflowContext) -> None:
    raise ValueError("too late")


TAKEN: dict[str, Callable[[World], object]] = {
    "stolen": lambda world: world.steal("r"),
    "cancelled": lambda world: world.durable.cancel("r"),
    "recovered": recover_elsewhere,
}
ENDINGS: dict[str, Callable[[WorkflowContext], Any]] = {
    "sleep": lambda ctx: ctx.sleep("1 h"),
    "wait": lambda ctx: ctx.wait_for_signal("answer", timeout="1 h"),
    "wait without a timeout": lambda ctx: ctx.wait_for_signal("answer"),
    "now": lambda ctx: ctx.now(),
    "side effect": lambda ctx: ctx.side_effect(lambda: 3),
    "transaction": lambda ctx: ctx.transaction(dict),
    "return": lambda ctx: "too late",
    "raise": fail,
}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_fenced_turn_writes_nothing_more(taken: str, ending: str) -> None:
    world = World()
    at_the_loss: list[Any] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        TAKEN[taken](world)
        at_the_loss.append(world.rows())
        return ENDINGS[ending](ctx)

    world.durable.start(flow, id="r")
    take_one_turn(world)
    assert world.rows() == at_the_loss[0]


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("error", [None, LookupError("flaky")])
def test_a_step_whose_run_was_lost_meanwhile_is_not_recorded(taken: str, error: Exception | None) -> None:
    world = World()
    went_on: list[str] = []

    @world.durable.step(max_attempts=5, backoff="0 s")
    def long() -> None:
        went_on.append("tried")
        TAKEN[taken](world)
        if error is not None:
            raise error

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        with suppress(Exception):
            ctx.step(long)
        went_on.append("went on")

    world.durable.start(flow, id="r")
    take_one_turn(world)

    assert went_on == ["tried"]
    assert world.history("r") == []
    assert world.run("r").status == {"stolen": "running", "cancelled": "cancelled", "recovered": "pending"}[taken]


def take_one_turn(world: World) -> None:
    """One turn of one run, and no more."""
    now_ms = world.runtime.now_ms()
    (run,) = run_blocking(world.store.claim_runs("py:us", now_ms + 30_000, now_ms, 1))
    run_blocking(world.durable._machinery._advancer.advance(run, Lease("r", "py:us"), lambda: False))


def test_a_late_end_does_not_overwrite_a_cancel() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        assert world.durable.cancel(ctx.run_id, "changed my mind") is True
        return "done"

    handle = world.durable.start(flow)
    world.durable.run_until_idle()

    with pytest.raises(RunCancelled, match="changed my mind") as cancelled:
        handle.result("1s")
    assert cancelled.value.code == "cancelled"
    assert handle.get().output is None


@pytest.mark.parametrize("ending", ["return", "raise", "sleep"])
def test_a_late_end_does_not_overwrite_a_cancel_that_left_the_lease(ending: str) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        # As another program cancels that knows nothing of leases.
        run_blocking(world.store.update_run("r", RunPatch(status="cancelled")))
        return ENDINGS[ending](ctx)

    world.durable.start(flow, id="r")
    take_one_turn(world)
    assert (world.run("r").status, world.run("r").output, world.run("r").error) == ("cancelled", None, None)


@pytest.mark.parametrize("status", ["pending", "suspended", "waiting", "blocked"])
def test_a_live_run_is_cancelled_wherever_it_stands(status: str) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        if status == "waiting":
            ctx.wait_for_signal("answer")
        ctx.sleep("1 h")

    handle = world.durable.start(flow, id="r")
    if status == "blocked":
        stranger = world.process()
        stranger.workflow(name="other")(lambda ctx: None)
        stranger.run_until_idle()
    elif status != "pending":
        world.durable.run_until_idle()

    assert handle.cancel() is True
    assert handle.cancel() is False
    assert (world.run("r").status, world.run("r").wake_at_ms, world.waiters()) == ("cancelled", None, [])
    world.runtime.advance("1 day")
    assert world.durable.run_until_idle() == 0


def test_an_ended_run_is_not_cancelled() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return "done"

    handle = world.durable.start(flow)
    world.durable.run_until_idle()
    assert handle.cancel() is False
    assert handle.result("1s") == "done"
    with pytest.raises(RunNotFound, match="there is no run 'nobody'"):
        world.durable.cancel("nobody")


def test_a_cancelled_transaction_leaves_the_run_alone() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None: ...

    world.durable.start(flow, id="r")
    with pytest.raises(LookupError), world.store.atomic():
        assert world.durable.cancel("r") is True
        raise LookupError
    assert world.run("r").status == "pending"


def test_a_step_longer_than_its_lease_keeps_it_by_renewals() -> None:
    store = InMemoryStateStore()
    first, second = (Durable(store, lease="150 ms", poll="10 ms") for _ in range(2))
    ran: list[str] = []
    release = threading.Event()

    def define(durable: Durable, who: str) -> None:
        @durable.step
        def long() -> str:
            ran.append(who)
            assert release.wait(20)
            return who

        @durable.workflow()
        def flow(ctx: WorkflowContext) -> str:
            return ctx.step(long)

    define(first, "first")
    define(second, "second")
    handle = first.start("flow", id="r")
    with first.worker(), second.worker():
        eventually(lambda: bool(ran), "somebody took the run")
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            assert len(ran) == 1
            assert handle.get().status == "running"
            time.sleep(0.05)
        release.set()
        assert handle.result("10 s") == ran[0]
    assert len(ran) == 1
    assert handle.get().recovery_attempts is None


def test_a_renewal_that_fails_is_told_and_the_next_round_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    store = InMemoryStateStore()
    works, asked = store.renew_run_locks, threading.Semaphore(0)

    async def fail_first(locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        asked.release()
        store.renew_run_locks = works  # type: ignore[method-assign] # the database is back
        raise StoreUnavailable("the server restarts")

    store.renew_run_locks = fail_first  # type: ignore[method-assign] # a database that is away for one round
    durable = Durable(store, lease="300 ms", poll="10 ms")
    release = threading.Event()

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        assert release.wait(30)

    handle = durable.start(flow, id="r")
    with durable.worker(concurrency=1):
        try:
            assert asked.acquire(timeout=30)
            failed_ms = handle.get().locked_until_ms or 0
            eventually(lambda: (handle.get().locked_until_ms or 0) > failed_ms, "it was renewed after all")
        finally:
            release.set()
        handle.result("10 s")
    assert "could not renew the leases on 1 runs; the next round tries again: the server restarts" in caplog.text
    assert handle.get().recovery_attempts is None


def test_a_renewal_that_finds_another_owner_stops_the_turn_before_its_next_step() -> None:
    store = InMemoryStateStore()
    durable = Durable(store, lease="60 ms", poll="10 ms")
    ran: list[str] = []
    loops: list[WorkerLoop] = []

    def long() -> None:
        run_blocking(store.update_run("r", RunPatch(locked_by="thief", locked_until_ms=10**13)))
        (lease,) = loops[0]._leases._held
        eventually(lambda: lease.lost, "a renewal noticed")

    @durable.step
    def never() -> None:
        ran.append("never")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        long()
        ctx.step(never)

    with durable.worker(concurrency=1) as loop:
        loops.append(loop)
        durable.start(flow, id="r")
        eventually(lambda: durable.get_run("r").locked_by == "thief", "the run was stolen")
        eventually(lambda: not loop._leases._held, "the turn ended")
    assert ran == []
    assert run_blocking(store.list_checkpoints("r")) == []
