"""Whose a token is: one run waits at a time, a refusal is remembered, a loop gets the payloads in order."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core import Durable, RunFailed, SignalTokenInUse, WorkflowContext
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


def test_two_runs_cannot_wait_for_one_token() -> None:
    world = World()
    waiting(world.durable)
    first = world.durable.start("flow", id="first")
    world.durable.run_until_idle()
    second = world.durable.start("flow", id="second")
    world.durable.run_until_idle()

    with pytest.raises(RunFailed, match="run 'first' already waits for signal 'answer'") as refused:
        second.result("1s")
    assert refused.value.code == "SignalTokenInUse"
    world.durable.signal("answer", "mine")
    finish(world)
    assert first.result("1s") == "mine"


def test_a_refused_token_is_refused_on_every_replay() -> None:
    world = World()

    @world.durable.workflow()
    def careful(ctx: WorkflowContext) -> str:
        try:
            got = ctx.wait_for_signal("answer")
        except SignalTokenInUse as taken:
            got = f"taken by {taken.run_id}"
        ctx.sleep("1 h")
        return str(got)

    waiting(world.durable)
    world.durable.start("flow", id="first")
    world.durable.run_until_idle()
    handle = world.durable.start(careful, id="second")
    world.durable.run_until_idle()
    world.durable.signal("answer", "free again")
    finish(world)

    assert handle.result("1s") == "taken by first"


def test_a_token_is_free_again_when_its_run_has_ended() -> None:
    world = World()
    waiting(world.durable)
    world.durable.start("flow", id="first")
    world.durable.run_until_idle()
    world.durable.cancel("first")
    assert world.waiters() == []

    handle = world.durable.start("flow", id="second")
    world.durable.run_until_idle()
    world.durable.signal("answer", "for the second")
    finish(world)
    assert handle.result("1s") == "for the second"


@pytest.mark.parametrize("sent_before", [0, 1, 2, 3])
def test_a_loop_on_one_token_gets_the_payloads_in_order(sent_before: int) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> list[Any]:
        return [ctx.wait_for_signal("next") for _ in range(3)]

    for number in range(sent_before):
        world.durable.signal("next", number)
    handle = world.durable.start(flow)
    world.durable.run_until_idle()
    for number in range(sent_before, 3):
        world.durable.signal("next", number)

    world.durable.run_until_idle()
    assert handle.result("1s") == [0, 1, 2]
    assert world.waiters() == []
    assert world.store.tables.signals.all() == []
