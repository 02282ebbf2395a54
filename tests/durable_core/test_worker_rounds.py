"""One round of a worker: what fails in it costs the rest of it nothing, and what it took stays its own."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from durable_core import Durable, InMemoryStateStore, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.records import WorkflowRun
from durable_core.testing import FakeRuntime
from durable_shop import eventually


@pytest.mark.parametrize(
    ("phase", "left"),
    [("list_incomplete_runs", {"due", "pending"}), ("claim_due_runs", {"pending"}), ("claim_runs", {"due"})],
)
@pytest.mark.parametrize("rounds", [1, 2], ids=["timers first", "pending first"])
def test_a_failing_phase_costs_the_others_not_even_one_round(phase: str, left: set[str], rounds: int) -> None:
    store, runtime = InMemoryStateStore(), FakeRuntime()
    works, fails = getattr(store, phase), False

    async def ask(*args: Any, **kwargs: Any) -> list[WorkflowRun]:
        if fails:
            raise RuntimeError("the query fails")
        found: list[WorkflowRun] = await works(*args, **kwargs)
        return found

    setattr(store, phase, ask)
    durable = Durable(store, runtime=runtime)

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.sleep("1 h")

    durable.start(flow, id="due")
    durable.run_until_idle()
    loop = durable.worker_loop()
    for _ in range(rounds):
        assert run_blocking(loop._claim("py:0", 9)) == []
    runtime.advance("1 h")
    durable.start(flow, id="pending")
    fails = True

    assert {run.id for run in run_blocking(loop._claim("py:1", 9))} == left


def test_a_long_step_keeps_its_lease_also_where_runs_go_one_after_the_other() -> None:
    durable = Durable(InMemoryStateStore(), lease="200 ms")
    begun, go_on = threading.Event(), threading.Event()

    @durable.step
    def long() -> None:
        begun.set()
        assert go_on.wait(20)

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.step(long)

    handle = durable.start(flow, id="r")
    thread = threading.Thread(target=durable.run_until_idle)
    thread.start()
    try:
        assert begun.wait(10)
        first = handle.get().locked_until_ms
        assert first is not None
        eventually(lambda: (handle.get().locked_until_ms or 0) > first, "the lease was renewed", within_s=20)
    finally:
        go_on.set()
        thread.join()
    assert handle.result("1 s") is None
