"""ctx.transaction: what a store's trouble means, and what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from durable_core import (
    InMemoryStateStore,
    RunFailed,
    StepFailed,
    StoreContention,
    StoreError,
    StoreUnavailable,
    WorkflowContext,
)
from durable_core.store import StoreTransaction
from durable_world import World

T = TypeVar("T")


class Troubled(InMemoryStateStore):
    """Its next transactions end in *trouble*: before they begin, or after they have committed."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: list[StoreError] = []
        self.after_commit = False

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[T]]) -> T:
        if self.trouble and not self.after_commit:
            raise self.trouble.pop(0)
        done = await super().transaction(work)
        if self.trouble:
            raise self.trouble.pop(0)
        return done


def booking(world: World, ran: list[int]) -> None:
    """Register a workflow of one transaction."""

    def book(n: int) -> int:
        ran.append(n)
        return n + 1

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> int:
        return ctx.transaction(book, 1)


def test_contention_is_tried_again_and_is_no_attempt() -> None:
    world = World(Troubled())
    ran: list[int] = []
    booking(world, ran)
    world.store.trouble = [StoreContention("deadlock")] * 7
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert handle.result("1s") == 2
    assert (ran, world.history("r")[0].attempts) == ([1], 1)


def test_endless_contention_parks_the_run_and_fails_nothing() -> None:
    world = World(Troubled())
    ran: list[int] = []
    booking(world, ran)
    world.store.trouble = [StoreContention("deadlock")] * 8
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    run = world.run("r")
    assert (run.status, run.locked_by, run.wake_at_ms) == ("suspended", None, world.runtime.now_ms() + 5_000)
    assert world.history("r") == []
    world.runtime.advance("5 s")
    world.durable.run_until_idle()
    assert handle.result("1s") == 2


def test_a_connection_lost_at_the_commit_does_not_undo_what_was_committed() -> None:
    world = World(Troubled())
    ran: list[int] = []
    booking(world, ran)
    world.store.after_commit = True
    world.store.trouble = [StoreUnavailable("the connection broke")]
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    assert world.history("r")[0].status == "completed"

    world.runtime.advance("5 s")
    world.durable.run_until_idle()
    assert handle.result("1s") == 2
    assert ran == [1]


def test_a_body_cannot_catch_a_store_that_is_away() -> None:
    world = World(Troubled())

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        with suppress(Exception):
            ctx.transaction(print)
            return "done"
        return "went on"

    world.store.trouble = [StoreUnavailable("the connection broke")]
    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert world.run("r").status == "suspended"


def test_an_error_of_the_function_leaves_nothing_and_is_a_failed_step() -> None:
    world = World()
    seen: list[str] = []

    def book() -> None:
        world.durable.start(other, id="booked")
        raise LookupError("sold out")

    @world.durable.workflow()
    def other(ctx: WorkflowContext) -> None: ...

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        try:
            ctx.transaction(book)
        except StepFailed as failed:
            seen.append(str(failed))

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert seen == ["step 'book' failed after 1 attempt: sold out"]
    assert [run.id for run in world.durable.list_runs()] == ["r"]
    (checkpoint,) = world.history("r")
    assert (checkpoint.status, checkpoint.name, checkpoint.kind) == ("failed", "book", "local")


def test_a_run_started_inside_is_there_with_the_checkpoint() -> None:
    world = World()

    @world.durable.workflow()
    def other(ctx: WorkflowContext) -> str:
        return "other"

    def book() -> str:
        return world.durable.start(other, id="booked").id

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.transaction(book)

    world.durable.start(flow)
    world.durable.run_until_idle()
    assert world.durable.handle("booked").result("1s") == "other"


def test_a_registered_step_brings_its_policy_into_the_transaction() -> None:
    world = World()
    ran: list[int] = []

    @world.durable.step(name="booking", max_attempts=3, backoff="0 s")
    def book() -> str:
        ran.append(1)
        if len(ran) < 3:
            raise LookupError("not yet")
        return "booked"

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.transaction(book)

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert handle.result("1s") == "booked"
    assert [(one.name, one.attempts) for one in world.history("r")] == [("booking", 3)]


def test_a_lease_lost_inside_writes_nothing_and_stops_the_turn() -> None:
    world = World()
    went_on: list[str] = []

    @world.durable.workflow()
    def other(ctx: WorkflowContext) -> None: ...

    def book() -> None:
        world.durable.start(other, id="booked")
        # The thief's own transaction cannot be told from ours in memory; what counts is whom the fence finds.
        world.steal("r")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        with suppress(Exception):
            ctx.transaction(book)
        went_on.append("went on")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert went_on == []
    assert world.history("r") == []
    assert [run.id for run in world.durable.list_runs()] == ["r"]


@pytest.mark.parametrize(
    ("function", "words"),
    [(lambda: 1, "use a def"), ({1, 2}.copy, None)],
    ids=["lambda", "unencodable result"],
)
def test_what_a_transaction_refuses(function: Any, words: str | None) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        return ctx.transaction(function)

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    with pytest.raises(RunFailed, match=words or "is a set, which cannot be stored"):
        handle.result("1s")
    assert [one.status for one in world.history("r")] == ([] if words else ["failed"])
