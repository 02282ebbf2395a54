"""Code that does not fit its history blocks the run, tells both places, and goes on by itself once it fits again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from durable_core import Durable, WorkflowContext
from durable_world import World


def one() -> int:
    return 1


def two() -> int:
    return 2


def three() -> int:
    return 3


def serve(durable: Durable, body: Callable[[WorkflowContext, dict[str, Any]], Any]) -> None:
    """Register *body* as the workflow, with its steps by name."""
    steps: dict[str, Any] = {function.__name__: durable.step(function) for function in (one, two, three, sleep)}

    def flow(ctx: WorkflowContext) -> Any:
        return body(ctx, steps)

    durable.workflow(name="flow")(flow)


def sleep() -> int:
    return 4


def original(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["one"])
    ctx.step(steps["two"])
    ctx.sleep("1 h")
    return "done"


def renamed(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["one"])
    ctx.step(steps["three"])
    return "changed"


def reordered(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["two"])
    ctx.step(steps["one"])
    return "changed"


def another_kind(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["one"])
    ctx.sleep("1 s")
    return "changed"


def another_kind_of_the_same_name(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["one"])
    ctx.step(steps["two"])
    ctx.step(steps["sleep"])
    return "changed"


def without_tail(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.step(steps["one"])
    return "changed"


def with_more_before(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
    ctx.now()
    return original(ctx, steps)


@pytest.mark.parametrize(
    "change",
    [renamed, reordered, another_kind, another_kind_of_the_same_name, without_tail, with_more_before],
)
def test_changed_code_blocks_the_run_until_it_fits_again(change: Any) -> None:
    world = World()
    serve(world.durable, original)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    before = world.history("r")

    world.runtime.advance("1 h")
    deployed = world.process()
    serve(deployed, change)
    deployed.run_until_idle()

    blocked = world.run("r")
    assert blocked.status == "blocked"
    assert blocked.error is not None
    assert blocked.error.code == "NondeterminismError"
    assert blocked.error.retryable is True
    assert blocked.wake_at_ms == world.runtime.now_ms() + 5_000
    assert blocked.locked_by is None
    assert world.history("r") == before

    world.runtime.advance("5 s")
    mended = world.process()
    serve(mended, original)
    mended.run_until_idle()

    assert handle.result("1s") == "done"
    assert world.run("r").error is None


def test_the_message_shows_both_places() -> None:
    world = World()
    serve(world.durable, original)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    deployed = world.process()
    serve(deployed, renamed)
    deployed.run_until_idle()

    error = world.run("r").error
    assert error is not None
    recorded = original.__code__.co_firstlineno + 2
    asked = renamed.__code__.co_firstlineno + 2
    assert "run 'r' (flow v1), position 1" in error.message
    assert re.search(rf"asks for local 'three' at [\w.]*test_nondeterminism:{asked}\b", error.message)
    assert re.search(rf"history has local 'two' .*called at [\w.]*test_nondeterminism:{recorded}\b", error.message)


def test_a_body_that_catches_exceptions_cannot_catch_the_mismatch() -> None:
    def stubborn(ctx: WorkflowContext, steps: dict[str, Any]) -> str:
        try:
            ctx.step(steps["three"])
        except Exception:
            return "caught"
        return "changed"

    world = World()
    serve(world.durable, original)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    deployed = world.process()
    serve(deployed, stubborn)
    deployed.run_until_idle()

    assert world.run("r").status == "blocked"


def test_an_unblocked_run_that_sleeps_does_not_look_blocked() -> None:
    world = World()
    serve(world.durable, original)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    deployed = world.process()
    serve(deployed, renamed)
    world.runtime.advance("1 h")
    deployed.run_until_idle()
    assert world.run("r").status == "blocked"

    def longer(ctx: WorkflowContext, steps: dict[str, Any]) -> None:
        original(ctx, steps)
        ctx.sleep("1 h")

    world.runtime.advance("5 s")
    mended = world.process()
    serve(mended, longer)
    mended.run_until_idle()

    assert world.run("r").status == "suspended"
    assert world.run("r").error is None


def test_an_unknown_version_is_blocked_and_later_served() -> None:
    world = World()
    old = world.durable

    @old.workflow(name="flow", version="1")
    def first(ctx: WorkflowContext) -> str:
        return "by version 1"

    handle = old.start("flow", id="r")
    newer = world.process()

    @newer.workflow(name="flow", version="2")
    def second(ctx: WorkflowContext) -> str:
        return "by version 2"

    newer.run_until_idle()
    blocked = world.run("r")
    assert blocked.status == "blocked"
    assert blocked.error is not None
    assert "not registered in version '1' (known: '2')" in blocked.error.message

    world.runtime.advance("5 s")
    old.run_until_idle()
    assert handle.result("1s") == "by version 1"


def test_the_retry_of_a_blocked_run_can_be_set() -> None:
    world = World(blocked_retry="1 min")
    serve(world.durable, original)
    stranger = world.process()
    stranger.workflow(name="other")(lambda ctx: None)
    world.durable.start("flow", id="r")
    stranger.run_until_idle()

    assert world.run("r").wake_at_ms == world.runtime.now_ms() + 60_000
