"""Runs whose process died come back, are counted, and are declared dead when they kill whoever takes them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from durable_core import Durable, InMemoryStateStore, RunDead, StoreContention, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.engine.options import EngineOptions
from durable_core.engine.recovery import recover_expired
from durable_core.records import Guard, RunPatch, WorkflowRun
from durable_world import World


class Crash(BaseException):
    """The process dies."""


def crashing(world: World, crashes: list[int]) -> None:
    """Register a workflow that dies as often as *crashes* says."""

    @world.durable.step
    def first() -> str:
        return "saved"

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        saved = ctx.step(first)
        if crashes:
            crashes.pop()
            raise Crash
        ctx.wait_for_signal("go")
        if crashes:
            crashes.pop()
            raise Crash
        return saved


def crash(world: World) -> None:
    """Take a turn that dies, and wait for its lease to end."""
    with pytest.raises(Crash):
        world.durable.run_until_idle()
    assert world.run("r").status == "running"
    assert world.durable.run_until_idle() == 0, "it was taken up before its lease had ended"
    world.runtime.advance("30 s")


def test_a_crashed_run_comes_back_counted_and_repeats_no_finished_step() -> None:
    world = World()
    crashes = [1]
    crashing(world, crashes)
    handle = world.durable.start("flow", id="r")
    crash(world)
    world.durable.signal("go")
    seen: list[int | None] = []
    original = world.store.claim_runs

    async def claim_runs(*args: Any) -> list[WorkflowRun]:
        claimed: list[WorkflowRun] = await original(*args)
        seen.extend(run.recovery_attempts for run in claimed)
        return claimed

    world.store.claim_runs = claim_runs
    world.durable.run_until_idle()

    assert handle.result("1s") == "saved"
    assert seen == [1]
    assert world.history("r")[0].attempts == 1


def test_too_many_deaths_in_a_row_are_the_end() -> None:
    world = World(max_recovery_attempts=2)
    crashing(world, [1] * 9)
    handle = world.durable.start("flow", id="r")
    for _ in range(3):
        crash(world)
    assert world.durable.run_until_idle() == 0

    with pytest.raises(RunDead, match="3 processes in a row died with this run") as dead:
        handle.result("1s")
    assert dead.value.code == "max_recovery_attempts"
    run = world.run("r")
    assert (run.status, run.locked_by, run.wake_at_ms) == ("dead", None, None)
    world.runtime.advance("1 day")
    assert world.durable.run_until_idle() == 0


def test_a_turn_that_ends_well_forgets_the_deaths_before() -> None:
    world = World(max_recovery_attempts=1)
    crashes = [1]
    crashing(world, crashes)
    handle = world.durable.start("flow", id="r")
    crash(world)
    world.durable.run_until_idle()
    assert (world.run("r").status, world.run("r").recovery_attempts) == ("suspended", 0)

    crashes.append(1)
    world.durable.signal("go")
    crash(world)
    world.durable.run_until_idle()
    assert handle.result("1s") == "saved"


def test_a_dead_runs_waiters_are_gone() -> None:
    world = World(max_recovery_attempts=1)
    crashing(world, [])
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    assert world.waiters() == ["go"]
    world.steal("r", owner="py:died")
    run_blocking(world.store.update_run("r", RunPatch(recovery_attempts=1)))
    world.runtime.advance("1 min")
    world.durable.run_until_idle()
    assert (world.run("r").status, world.waiters()) == ("dead", [])


class Meanwhile(InMemoryStateStore):
    """Something happens to a run between the look of a recoverer and its write."""

    happening: Any = None

    async def list_incomplete_runs(self, *args: Any, **kwargs: Any) -> list[WorkflowRun]:
        found = await super().list_incomplete_runs(*args, **kwargs)
        if found and self.happening is not None:
            self.happening()
        return found


@pytest.mark.parametrize(
    "patch",
    [
        RunPatch(status="completed", output=1, locked_by=None, locked_until_ms=None),
        RunPatch(status="cancelled", locked_by=None, locked_until_ms=None),
        RunPatch(status="cancelled"),
        RunPatch(status="suspended", wake_at_ms=5, locked_by=None, locked_until_ms=None),
        RunPatch(locked_until_ms=9_999_999_999_999),
        RunPatch(locked_by="py:another", locked_until_ms=9_999_999_999_999),
        RunPatch(locked_by="py:another"),
    ],
    ids=[
        "completed",
        "cancelled",
        "cancelled with its lease kept",
        "suspended",
        "renewed",
        "taken",
        "taken by one who died as well",
    ],
)
@pytest.mark.parametrize("deaths", [0, 10], ids=["alive", "at the cap"])
def test_recovery_leaves_a_run_alone_that_has_moved_on(patch: RunPatch, deaths: int) -> None:
    world = World(Meanwhile())
    crashing(world, [])
    world.durable.start("flow", id="r")
    world.steal("r")
    run_blocking(world.store.update_run("r", RunPatch(recovery_attempts=deaths)))
    world.runtime.advance("1 min")
    world.store.happening = lambda: run_blocking(world.store.update_run("r", patch))

    options = EngineOptions(max_recovery_attempts=10)
    assert run_blocking(recover_expired(world.store, world.runtime, options)) == 0
    run = world.run("r")
    changes = patch.changes()
    assert {name: getattr(run, name) for name in changes} == changes
    assert run.recovery_attempts == deaths


def test_of_many_recoverers_one_counts_the_death() -> None:
    world = World()
    crashing(world, [])
    for number in range(20):
        world.durable.start("flow", id=f"r{number}")
        world.steal(f"r{number}")
    world.runtime.advance("1 min")
    ready = threading.Barrier(4)
    recovered: list[int] = []

    def recover() -> None:
        ready.wait(10)
        recovered.append(run_blocking(recover_expired(world.store, world.runtime, EngineOptions())))

    threads = [threading.Thread(target=recover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(recovered) == 20
    assert {world.run(f"r{number}").recovery_attempts for number in range(20)} == {1}


def test_runs_that_are_being_cancelled_elsewhere_do_not_hide_the_crashed_ones() -> None:
    world = World()
    crashing(world, [])
    for number in range(101):
        world.durable.start("flow", id=f"c{number}")
        run_blocking(world.store.update_run(f"c{number}", RunPatch(status="cancelling")))
    world.runtime.advance("1 s")
    world.durable.start("flow", id="r")
    world.steal("r", owner="py:died")
    world.runtime.advance("1 min")

    assert run_blocking(recover_expired(world.store, world.runtime, EngineOptions())) == 1
    assert (world.run("r").status, world.run("c0").status) == ("pending", "cancelling")
    assert world.run("c0").recovery_attempts is None


def test_a_run_that_cannot_be_changed_does_not_keep_the_others_from_coming_back(caplog: Any) -> None:
    world = World()
    crashing(world, [])
    for run_id in ("a", "b", "c"):
        world.durable.start("flow", id=run_id)
        world.steal(run_id, owner="py:died")
    world.runtime.advance("1 min")
    works = world.store.update_run

    async def stuck(run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        if run_id == "a":
            raise StoreContention("the host holds this row")
        return bool(await works(run_id, patch, expect=expect))

    world.store.update_run = stuck  # a database that refuses one row
    assert run_blocking(recover_expired(world.store, world.runtime, EngineOptions())) == 2
    assert [world.run(run_id).status for run_id in ("a", "b", "c")] == ["running", "pending", "pending"]
    assert "run 'a': its process died, but it cannot be taken up again: the host holds this row" in caplog.text


def test_another_namespaces_runs_are_not_recovered() -> None:
    world = World(namespace="theirs")
    crashing(world, [])
    world.durable.start("flow", id="r")
    world.steal("r")
    world.runtime.advance("1 min")
    ours: Durable = world.process(namespace="ours")
    ours.workflow(name="flow")(lambda ctx: None)

    assert ours.run_until_idle() == 0
    assert (world.run("r").status, world.run("r").locked_by) == ("running", "thief")
