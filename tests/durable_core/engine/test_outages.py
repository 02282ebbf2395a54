"""A store that fails in the middle of a turn, before or after its work is done, costs time and never the run."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core import StoreContention, StoreError, StoreUnavailable, WorkflowContext
from durable_world import World

CALLS = ["list_checkpoints", "save_checkpoint", "consume_buffered_signal", "suspend_run", "update_run", "end_run"]


def fail_once(store: Any, call: str, error: StoreError, *, done: bool) -> None:
    """The next *call* raises *error*; with *done* its work is committed, and only the answer is lost."""
    works = getattr(store, call)

    async def failing(*args: Any, **kwargs: Any) -> Any:
        setattr(store, call, works)
        if done:
            await works(*args, **kwargs)
        raise error

    setattr(store, call, failing)


@pytest.mark.parametrize("error", [StoreUnavailable("the server restarts"), StoreContention("deadlock")], ids=repr)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("turn", [1, 2])
def test_the_run_goes_on_and_repeats_at_most_the_step_under_way(
    call: str, turn: int, error: StoreError, *, done: bool
) -> None:
    world = World()
    ran: list[str] = []
    steps = {name: world.durable.step(name=name)(lambda name=name: ran.append(name)) for name in ("charge", "ship")}

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        ctx.step(steps["charge"])
        answer = ctx.wait_for_signal("answer")
        ctx.step(steps["ship"])
        return answer

    handle = world.durable.start(flow, id="r")
    for number in (1, 2):
        if number == turn:
            fail_once(world.store, call, error, done=done)
        world.durable.run_until_idle()
        for _ in range(3):
            world.runtime.advance("10 min")
            world.durable.run_until_idle()
        if number == 1:
            assert world.durable.signal("answer", "yes") is True

    assert handle.result("1s") == "yes"
    assert world.waiters() == []
    again = call == "save_checkpoint" and not done
    assert ran == ["charge"] * (2 if again and turn == 1 else 1) + ["ship"] * (2 if again and turn == 2 else 1)
