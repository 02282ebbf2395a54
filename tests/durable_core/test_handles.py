"""What a handle tells of a run that has ended, or has not."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from durable_core import (
    DamagedHistory,
    Durable,
    InMemoryStateStore,
    ResultTimeout,
    RunFailed,
    WorkflowContext,
)
from durable_world import World


@dataclass
class Receipt:
    ref: str


def test_the_result_comes_back_as_the_workflow_is_annotated() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Receipt:
        return Receipt("r1")

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert handle.result("1s") == Receipt("r1")
    assert world.durable.handle("r").result("1s") == {"ref": "r1"}
    assert repr(handle) == "<run 'r'>"


def test_a_run_that_has_not_ended() -> None:
    world = World()
    world.durable.workflow(name="flow")(lambda ctx: None)
    handle = world.durable.start("flow", id="r")
    began_ms = world.runtime.now_ms()
    with pytest.raises(ResultTimeout, match="run 'r' is still pending: it goes on without you") as late:
        handle.result("3 s")
    assert isinstance(late.value, TimeoutError)
    assert world.runtime.now_ms() == began_ms + 3_000
    with pytest.raises(ResultTimeout):
        handle.result("0 s")


def test_a_run_that_failed_tells_where() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        raise LookupError("no stock")

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    with pytest.raises(RunFailed, match="run 'r' failed: no stock") as failed:
        handle.result("1s")
    assert (failed.value.run_id, failed.value.code) == ("r", "LookupError")
    assert failed.value.stack is not None
    assert 'raise LookupError("no stock")' in failed.value.stack


def test_a_result_that_does_not_parse_is_not_none() -> None:
    world = World()
    world.durable.workflow(name="flow")(lambda ctx: 5)
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    world.damage_run("r", output="{")
    with pytest.raises(DamagedHistory, match="output does not parse"):
        handle.result("1s")


def test_a_result_that_cannot_be_stored_fails_the_run() -> None:
    world = World()
    world.durable.workflow(name="flow")(lambda ctx: {1})
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    with pytest.raises(RunFailed, match="what workflow 'flow' returned is a set"):
        handle.result("1s")


def test_a_result_is_awaited_across_threads() -> None:
    durable = Durable(InMemoryStateStore())
    durable.workflow(name="flow")(lambda ctx: "done")
    handle = durable.start("flow")
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(handle.result("20 s")))
    thread.start()
    durable.run_until_idle()
    thread.join()
    assert seen == ["done"]
