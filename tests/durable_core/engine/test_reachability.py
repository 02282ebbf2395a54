"""Whatever happens, every live run is found by some poll, ends as modelled, and every signal is given exactly once."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_core import Durable, InMemoryStateStore, RunQuery, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.records import TERMINAL_STATUSES, WorkflowRun
from durable_world import World

#: A turn dies at one of these: before the call, or after it was done and before its answer came.
_FATAL = (
    *("list_checkpoints", "save_checkpoint", "suspend_run", "update_run", "end_run", "transaction"),
    *("consume_buffered_signal", "remove_signal_waiter", "get_checkpoint", "claim_runs", "claim_due_runs"),
)


class Crash(BaseException):
    """The process dies in the middle of a store call."""


class Mortal(InMemoryStateStore):
    """Dies with the process that calls it, at the call that *fuse* counts down to."""

    fuse: int | None = None
    after = False

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in _FATAL or self.fuse is None:
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.fuse is None:
                return await method(*args, **kwargs)
            self.fuse -= 1
            dies = self.fuse < 0
            if dies and not self.after:
                self.fuse = None
                raise Crash
            answer = await method(*args, **kwargs)
            if dies:
                self.fuse = None
                raise Crash
            return answer

        return call


def define(durable: Durable, ran: Counter[str]) -> None:
    """A workflow with a bit of everything; it returns every payload that it was given."""

    @durable.step(max_attempts=3, backoff="1 s")
    def flaky(key: str) -> str:
        ran[key] += 1
        if ran[key] % 3 == 1:
            raise LookupError("once in a while")
        return key

    def book() -> str:
        return "booked"

    @durable.workflow(name="flow")
    def flow(ctx: WorkflowContext, token: str) -> list[Any]:
        got = [ctx.step(flaky, f"{ctx.run_id}:a")]
        ctx.transaction(book)
        got.append(ctx.wait_for_signal(token))
        ctx.sleep("1 min")
        got.append(ctx.wait_for_signal(token, timeout="10 min", default="timed out"))
        ctx.side_effect(lambda: 1)
        got.append(ctx.wait_for_signal(token))
        return got

    @durable.workflow(name="failing")
    def failing(ctx: WorkflowContext, token: str) -> None:
        ctx.wait_for_signal(token, timeout="5 min", default=None)
        raise LookupError("as modelled")


def check_reachable(world: World) -> None:
    """Every live run is pending, or comes back at a known time."""
    for run in world.durable.list_runs(RunQuery()):
        if run.status in TERMINAL_STATUSES:
            assert run.locked_by is None, run
            continue
        if run.status == "pending":
            continue
        due = run.locked_until_ms if run.status == "running" else run.wake_at_ms
        assert run.status in {"running", "suspended", "blocked"}, run
        assert due is not None, f"nothing will ever look at {run}"
        assert due <= world.runtime.now_ms() + 300_000, run
        if run.status != "running":
            assert run.locked_by is None, run


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_no_run_is_ever_lost(seed: int) -> None:
    chance = random.Random(seed)
    world = World(Mortal(), max_recovery_attempts=1_000)
    ran: Counter[str] = Counter()
    define(world.durable, ran)
    sent: dict[str, list[int]] = {f"r{number}": [] for number in range(chance.randrange(1, 4))}
    cancelled: set[str] = set()
    for run_id in sent:
        world.durable.start(chance.choice(["flow", "failing"]), f"t:{run_id}", id=run_id)

    for moment in range(40):
        run_id, what = chance.choice(list(sent)), chance.choice(HAPPENINGS)
        if what == "signal":
            sent[run_id].append(moment)
            world.durable.signal(f"t:{run_id}", moment)
        elif what == "cancel":
            cancelled.update([run_id] if world.durable.cancel(run_id) else [])
        else:
            something_happens(world, what, ran, chance)
        check_reachable(world)

    for run_id, payloads in sent.items():
        for moment in range(1_000, 1_004):
            payloads.append(moment)
            world.durable.signal(f"t:{run_id}", moment)
    for _ in range(12):
        finish(world, ran)
        check_reachable(world)
        world.runtime.advance("10 min")
    for run_id, payloads in sent.items():
        check_end(world, world.run(run_id), payloads, run_id in cancelled)


def something_happens(world: World, what: str, ran: Counter[str], chance: random.Random) -> None:
    """Time passes, a process works, or one comes that does not know the workflows."""
    if what == "time":
        world.runtime.advance(chance.choice(["1 s", "30 s", "1 min", "10 min"]))
    elif what == "work":
        take_turns(world, ran, chance)
    else:
        stranger = world.process()
        stranger.workflow(name="unknown")(lambda ctx: None)
        stranger.run_until_idle()


HAPPENINGS = ["signal"] * 6 + ["time"] * 4 + ["work"] * 10 + ["stranger"] * 2 + ["cancel"]


def take_turns(world: World, ran: Counter[str], chance: random.Random) -> None:
    """A process works until it is idle, or dies somewhere on the way."""
    process = world.process()
    define(process, ran)
    world.store.fuse = chance.randrange(1, 40)
    world.store.after = chance.random() < 0.5
    with suppress(Crash):
        process.run_until_idle()
    world.store.fuse = None


def finish(world: World, ran: Counter[str]) -> None:
    """A process that does not die."""
    process = world.process()
    define(process, ran)
    process.run_until_idle()


def check_end(world: World, run: WorkflowRun, sent: list[int], cancelled: bool) -> None:
    """The run ended as modelled, and its signals were given once each, in order, or are still there."""
    expected = "cancelled" if cancelled else "failed" if run.workflow == "failing" else "completed"
    assert run.status == expected, run
    given = [
        one.output for one in world.history(run.id) if one.name.startswith("signal:") and one.status == "completed"
    ]
    left = []
    while (signal := run_blocking(world.store.take_buffered_signal(f"t:{run.id}"))) is not None:
        left.append(signal.payload)
    assert given + left == sent
    if expected == "completed":
        assert run.output[0] == f"{run.id}:a"
        assert [got for got in run.output[1:] if got != "timed out"] == given
    assert [token for token in world.waiters() if token == f"t:{run.id}"] == []


@pytest.mark.parametrize("nth", range(40))
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_process_may_die_at_every_call(nth: int, after: bool) -> None:
    """One by one, so that no call depends on luck to be tried."""
    world = World(Mortal(), max_recovery_attempts=1_000)
    ran: Counter[str] = Counter()
    define(world.durable, ran)
    world.durable.start("flow", "t:r", id="r")
    world.store.fuse, world.store.after = nth, after
    payloads = [1, 2, 3]
    for _ in range(20):
        with suppress(Crash):
            finish(world, ran)
        check_reachable(world)
        if payloads and world.waiters():
            world.durable.signal("t:r", payloads.pop(0))
        world.runtime.advance("1 min")
    assert world.run("r").output == ["r:a", 1, 2, 3]
