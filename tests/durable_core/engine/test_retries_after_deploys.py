"""A step's retry policy may change while its run rests: what was given up stays so, and no attempt is one too many."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core import Durable, StepFailed, WorkflowContext
from durable_world import World


def charging(durable: Durable, ran: list[int], **options: Any) -> None:
    """Register a workflow whose only step always fails."""

    @durable.step(**options)
    def charge() -> None:
        ran.append(1)
        raise LookupError("no such card")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> int | None:
        try:
            ctx.step(charge)
        except StepFailed as failed:
            attempts = failed.attempts
            ctx.sleep("1 h")
            return attempts
        return None


def test_more_attempts_do_not_reopen_a_step_that_was_given_up() -> None:
    world = World()
    ran: list[int] = []
    charging(world.durable, ran, max_attempts=1)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    deployed = world.process()
    charging(deployed, ran, max_attempts=9)
    deployed.run_until_idle()

    assert len(ran) == 1
    assert handle.result("1s") == 1


@pytest.mark.parametrize("fewer", [1, 2])
def test_fewer_attempts_end_a_step_that_rests(fewer: int) -> None:
    world = World()
    ran: list[int] = []
    charging(world.durable, ran, max_attempts=5, backoff="1 s")
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 s")
    world.durable.run_until_idle()
    assert len(ran) == 2

    deployed = world.process()
    charging(deployed, ran, max_attempts=fewer, backoff="1 s")
    for _ in range(2):
        world.runtime.advance("1 h")
        deployed.run_until_idle()
    assert len(ran) == 2
    assert handle.result("1s") == 2
