"""What replay needs and cannot read blocks the run, until somebody repairs the row or the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from durable_core import Durable, RunQuery, StepFailed, WorkflowContext
from durable_world import World


@pytest.mark.parametrize(
    ("column", "status"), [("output", "completed"), ("error", "failed")], ids=["a result", "a failure"]
)
def test_a_damaged_checkpoint_blocks_until_it_is_repaired(column: str, status: str) -> None:
    world = World()
    ran: list[int] = []

    @world.durable.step(max_attempts=3)
    def step() -> int:
        ran.append(1)
        if status == "failed":
            raise LookupError("gone")
        return 5

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        try:
            got: Any = ctx.step(step)
        except Exception as error:
            got = str(error)
        ctx.sleep("1 h")
        return got

    handle = world.durable.start(flow, id="r")
    for _ in range(3):
        world.durable.run_until_idle()
        world.runtime.advance("10 s")
    kept = getattr(world.store.tables.checkpoints.get(("r", 0)), column)
    times = len(ran)
    world.damage("r", 0, **{column: "{not json"})
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    blocked = world.run("r")
    assert blocked.status == "blocked"
    assert blocked.error is not None
    assert blocked.error.code == "DamagedHistory"
    assert f"the recorded {column} does not parse" in blocked.error.message

    world.damage("r", 0, **{column: kept})
    world.runtime.advance("5 s")
    world.durable.run_until_idle()
    assert handle.result("1s") in (5, "step 'step' failed after 3 attempts: gone")
    assert len(ran) == times


def test_a_failure_that_another_program_recorded_without_an_error_is_still_one() -> None:
    world = World()

    @world.durable.step
    def step() -> int:
        raise LookupError("gone")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        try:
            return ctx.step(step)
        except StepFailed as failed:
            ctx.sleep("1 h")
            return failed.message

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.damage("r", 0, error=None)
    world.runtime.advance("1 h")
    world.durable.run_until_idle()
    assert handle.result("1s") == "no error was recorded"


def test_a_damaged_input_blocks_until_it_is_repaired() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, n: int) -> int:
        return n

    handle = world.durable.start(flow, 7, id="r")
    world.damage_run("r", input="[7")
    world.durable.run_until_idle()
    assert world.run("r").status == "blocked"

    world.damage_run("r", input="7")
    world.runtime.advance("5 s")
    world.durable.run_until_idle()
    assert handle.result("1s") == 7


def test_a_damaged_input_is_not_taken_for_one_that_was_left_out() -> None:
    world = World()
    seen: list[Any] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, amount: Any = 100) -> None:
        seen.append(amount)

    world.durable.start(flow, 7, id="r")
    world.damage_run("r", input="[7")
    world.durable.run_until_idle()

    run = world.run("r")
    assert (run.status, seen) == ("blocked", [])
    assert run.error is not None
    assert "the recorded input does not parse" in run.error.message


def test_a_result_that_no_longer_fits_its_type_blocks() -> None:
    @dataclass
    class Narrow:
        n: int

    world = World()
    kinds: list[Any] = [int]

    def register(durable: Durable) -> None:
        def number() -> Any:
            return 3

        number.__annotations__["return"] = kinds[-1]
        step = durable.step(number)

        @durable.workflow()
        def flow(ctx: WorkflowContext) -> str:
            ctx.step(step)
            ctx.sleep("1 h")
            return "done"

    register(world.durable)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    kinds.append(Narrow)
    deployed = world.process()
    register(deployed)
    deployed.run_until_idle()

    (blocked,) = deployed.list_runs(RunQuery(status="blocked"))
    assert blocked.error is not None
    assert "no longer fits" in blocked.error.message
