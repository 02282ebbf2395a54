"""A signal reaches its wait whether it came before, during or after; a timeout that was seen stays one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from durable_core import Durable, InMemoryStateStore, RunFailed, SignalTimeout, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.records import RunPatch, SignalWaiter
from durable_world import World


def waiting(durable: Durable, token: str = "answer", **options: Any) -> None:
    """Register a workflow that waits once."""

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        got = ctx.wait_for_signal(token, **options)
        ctx.sleep("1 h")
        return got


def finish(world: World) -> None:
    """Let every sleep end."""
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()


@pytest.mark.parametrize("payload", [None, 0, "", {"a": [1, None]}])
def test_a_signal_after_the_wait(payload: Any) -> None:
    world = World()
    waiting(world.durable)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    assert (world.run("r").status, world.waiters()) == ("suspended", ["answer"])

    assert world.durable.signal("answer", payload) is True
    assert world.run("r").wake_at_ms == world.runtime.now_ms()
    finish(world)

    assert handle.result("1s") == payload
    assert world.names("r") == [(1, "signal:answer"), (2, "sleep")]
    assert world.waiters() == []


@pytest.mark.parametrize("payload", [None, "yes"])
def test_a_signal_before_the_wait(payload: Any) -> None:
    world = World()
    waiting(world.durable, timeout="1 s")
    assert world.durable.signal("answer", payload) is False
    handle = world.durable.start("flow", id="r")
    finish(world)

    assert handle.result("1s") == payload
    assert world.waiters() == []


def test_a_signal_from_a_step_is_there_when_the_run_comes_to_wait() -> None:
    world = World()

    @world.durable.step
    def meanwhile() -> bool:
        return world.durable.signal("answer", "quick")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        ctx.step(meanwhile)
        return ctx.wait_for_signal("answer")

    handle = world.durable.start(flow, id="r")
    assert world.durable.run_until_idle() == 1
    assert handle.result("1s") == "quick"


class JustBefore(InMemoryStateStore):
    """Something happens at the last moment before a turn goes to sleep."""

    happening: Callable[[], object] | None = None

    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        happening, self.happening = self.happening, None
        if happening is not None:
            happening()
        return await super().suspend_run(run_id, owner, wake_at_ms, now)


@pytest.mark.parametrize("options", [{}, {"timeout": "1 h"}])
def test_a_signal_while_the_turn_goes_to_sleep_makes_the_run_due_at_once(options: dict[str, Any]) -> None:
    world = World(JustBefore())
    waiting(world.durable, **options)
    delivered: list[bool] = []
    world.store.happening = lambda: delivered.append(world.durable.signal("answer", "now"))
    world.durable.start("flow", id="r")

    assert world.durable.run_until_idle() == 2, "the second turn had to wait for a timer"
    assert delivered == [True]
    assert world.names("r")[-2:] == [(1, "signal:answer"), (2, "sleep")]


@pytest.mark.parametrize("ends", ["completed", "failed"])
def test_a_run_that_has_ended_wakes_no_more(ends: str) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        # As a signal does that lands while the turn runs.
        run_blocking(world.store.update_run("r", RunPatch(wake_at_ms=world.runtime.now_ms())))
        if ends == "failed":
            raise LookupError

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert (world.run("r").status, world.run("r").wake_at_ms) == (ends, None)


def test_a_signal_just_before_the_deadline_wins_over_it() -> None:
    class AtTheDeadline(InMemoryStateStore):
        async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
            if not delivered:
                delivered.append(world.durable.signal("answer", "just in time"))
            return await super().remove_signal_waiter(waiter)

    delivered: list[bool] = []
    world = World(AtTheDeadline())
    waiting(world.durable, timeout="1 h")
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    finish(world)

    assert delivered == [True]
    assert handle.result("1s") == "just in time"
    assert world.store.tables.signals.all() == []


def test_a_wait_takes_two_positions_with_or_without_a_timeout() -> None:
    world = World()

    @world.durable.step
    def after() -> None: ...

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.wait_for_signal("a")
        ctx.step(after)
        ctx.wait_for_signal("b", timeout="1 h")
        ctx.step(after)

    world.durable.signal("a")
    world.durable.signal("b")
    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert world.names("r") == [(1, "signal:a"), (2, "after"), (3, "timeout:b"), (4, "signal:b"), (5, "after")]


@pytest.mark.parametrize("answered", [True, False], ids=["answered before the deploy", "still waiting"])
def test_a_timeout_can_be_added_to_running_runs(answered: bool) -> None:
    world = World()
    waiting(world.durable)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    if answered:
        world.durable.signal("answer", "early")
        world.durable.run_until_idle()

    deployed = world.process()
    waiting(deployed, timeout="2 h", default="nobody")
    world.runtime.advance("5 min")
    deployed.run_until_idle()
    for _ in range(4):
        world.runtime.advance("1 h")
        deployed.run_until_idle()

    assert handle.result("1s") == ("early" if answered else "nobody")


def test_a_timeout_is_recorded_and_the_late_signal_waits_for_the_next_wait() -> None:
    world = World()
    seen: list[Any] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        try:
            first = ctx.wait_for_signal("answer", timeout="1 h")
        except SignalTimeout as late:
            first = str(late)
        seen.append(first)
        ctx.sleep("1 h")
        return [first, ctx.wait_for_signal("answer", timeout="1 h", default="nothing")]

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()
    timed_out = world.history("r")[1]
    assert (timed_out.name, timed_out.status) == ("signal:answer", "failed")
    assert timed_out.error is not None
    assert timed_out.error.code == "signal_timeout"

    assert world.durable.signal("answer", "late") is False
    finish(world)
    assert handle.result("1s") == ["no signal 'answer' arrived before its deadline", "late"]
    assert set(seen) == {"no signal 'answer' arrived before its deadline"}


def test_a_payload_of_none_is_no_timeout() -> None:
    world = World()
    waiting(world.durable, timeout="1 h", default="nobody")
    handle = world.durable.start("flow")
    world.durable.run_until_idle()
    world.durable.signal("answer", None)
    finish(world)

    assert handle.result("1s") is None


def test_a_deadline_does_not_move_with_replays() -> None:
    world = World(reconcile="10 min")
    waiting(world.durable, timeout="1 h", default="nobody")
    world.durable.start("flow", id="r")
    for _ in range(5):
        world.durable.run_until_idle()
        assert world.run("r").status == "suspended"
        assert world.names("r") == [(0, "timeout:answer")]
        world.runtime.advance("10 min")
    world.durable.run_until_idle()
    assert world.run("r").wake_at_ms == world.runtime.now_ms() + 600_000
    world.runtime.advance("10 min")
    world.durable.run_until_idle()

    assert world.names("r")[:2] == [(0, "timeout:answer"), (1, "signal:answer")]


def test_a_wait_without_a_deadline_still_looks_again_by_itself() -> None:
    world = World(reconcile="10 min")
    waiting(world.durable)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert world.run("r").wake_at_ms == world.runtime.now_ms() + 600_000
    world.runtime.advance("10 min")
    assert world.durable.run_until_idle() == 1
    assert world.run("r").recovery_attempts == 0


def test_an_uncaught_timeout_fails_the_run() -> None:
    world = World()
    waiting(world.durable, timeout="0 s")
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    with pytest.raises(RunFailed, match="no signal 'answer' arrived"):
        handle.result("1s")
    assert world.waiters() == []
