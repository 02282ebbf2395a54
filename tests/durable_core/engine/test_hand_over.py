"""A worker that is stopping, or has lost the run, begins nothing new: whoever comes next finds the run as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from durable_core import WorkflowContext
from durable_core.drive import run_blocking
from durable_world import World

OPERATIONS: dict[str, Callable[[WorkflowContext, Callable[[], Any]], Any]] = {
    "step": lambda ctx, ran: ctx.step(ran),  # type: ignore[arg-type]
    "transaction": lambda ctx, ran: ctx.transaction(ran),
    "side effect": lambda ctx, ran: ctx.side_effect(ran),
    "now": lambda ctx, ran: ctx.now(),
    "sleep": lambda ctx, ran: ctx.sleep("1 h"),
    "sleep until the past": lambda ctx, ran: ctx.sleep_until(datetime(2000, 1, 1, tzinfo=UTC)),
    "wait": lambda ctx, ran: ctx.wait_for_signal("answer"),
    "wait with a timeout": lambda ctx, ran: ctx.wait_for_signal("answer", timeout="1 h"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_stopping_worker_begins_nothing_new(operation: str) -> None:
    world = World()
    ran: list[int] = []
    step = world.durable.step(name="ran")(lambda: ran.append(1))

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        loop.stop()
        OPERATIONS[operation](ctx, step)

    world.durable.signal("answer", "early")
    world.durable.start(flow, id="r")
    loop = world.durable.worker_loop()
    assert run_blocking(loop.run_until_idle()) == 1

    run = world.run("r")
    assert (run.status, run.locked_by, run.wake_at_ms, run.recovery_attempts) == ("pending", None, None, None)
    assert (ran, world.history("r"), world.waiters()) == ([], [], [])
    assert len(world.store.tables.signals.all()) == 1
