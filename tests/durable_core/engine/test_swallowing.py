"""A body that keeps what parks it fails loudly, with the place; one that lets it pass records nothing on the way."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from durable_core import RunFailed, WorkflowContext
from durable_world import World


def bare_except(ctx: WorkflowContext) -> str:
    try:
        ctx.wait_for_signal("answer")
    except:  # noqa: E722
        return "went on"
    return "waited"


def suppressed(ctx: WorkflowContext) -> str:
    with contextlib.suppress(BaseException):
        ctx.wait_for_signal("answer")
    return "went on"


def return_in_finally(ctx: WorkflowContext) -> str:
    try:
        ctx.wait_for_signal("answer")
    finally:
        return "went on"  # noqa: B012


def replaced(ctx: WorkflowContext) -> str:
    try:
        ctx.wait_for_signal("answer")
    except BaseException:
        raise ValueError("something else") from None
    return "waited"


@pytest.mark.filterwarnings("ignore:'return' in a 'finally' block:SyntaxWarning")
@pytest.mark.parametrize("body", [bare_except, suppressed, return_in_finally, replaced])
def test_a_swallowed_suspension_fails_with_the_place(body: Any) -> None:
    world = World()
    world.durable.workflow(name="flow")(body)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    with pytest.raises(RunFailed) as failed:
        handle.result("1s")
    line = body.__code__.co_firstlineno + 2
    assert failed.value.code == "SuspensionSwallowed"
    assert f"test_swallowing:{line} parks the run" in str(failed.value)
    assert f"test_swallowing:{body.__code__.co_firstlineno})" in str(failed.value)
    assert "Catch Exception" in str(failed.value)
    assert world.waiters() == []


def test_except_exception_lets_it_pass() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        try:
            return ctx.wait_for_signal("answer")
        except Exception:
            return "caught"

    handle = world.durable.start(flow)
    world.durable.run_until_idle()
    world.durable.signal("answer", "got it")
    world.durable.run_until_idle()
    assert handle.result("1s") == "got it"


def test_a_finally_records_nothing_while_the_run_is_parked() -> None:
    world = World()
    ran: list[str] = []

    @world.durable.step
    def clean_up() -> None:
        ran.append("clean_up")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        try:
            ctx.sleep("1 h")
        finally:
            ctx.step(clean_up)
        return "done"

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert (world.run("r").status, world.names("r"), ran) == ("suspended", [(0, "sleep")], [])

    world.runtime.advance("1 h")
    world.durable.run_until_idle()
    assert handle.result("1s") == "done"
    assert ran == ["clean_up"]


def test_every_call_after_the_swallowed_one_parks_again() -> None:
    world = World()
    ran: list[str] = []

    @world.durable.step
    def never() -> None:
        ran.append("never")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        with contextlib.suppress(BaseException):
            ctx.sleep("1 h")
        ctx.step(never)

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert world.run("r").status == "suspended"
    assert ran == []
