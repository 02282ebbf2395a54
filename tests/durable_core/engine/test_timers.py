"""Sleeps, instants and captured values: fixed on the first run, the same on every replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from durable_core import RunFailed, WorkflowContext
from durable_core.instants import from_ms
from durable_world import World


def test_a_sleep_counts_from_the_first_time_and_ends_at_its_deadline() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        ctx.sleep("7 days")
        return "awake"

    handle = world.durable.start(flow, id="r")
    began_ms = world.runtime.now_ms()
    deadline_ms = began_ms + 7 * 86_400_000
    world.durable.run_until_idle()

    run = world.run("r")
    assert (run.status, run.wake_at_ms, run.locked_by) == ("suspended", deadline_ms, None)
    (checkpoint,) = world.history("r")
    assert (checkpoint.name, checkpoint.kind, checkpoint.status) == ("sleep", "sleep", "completed")
    assert checkpoint.wake_at_ms == deadline_ms

    world.runtime.advance(timedelta(milliseconds=7 * 86_400_000 - 1))
    assert world.durable.run_until_idle() == 0
    world.runtime.advance("1 ms")
    world.durable.run_until_idle()
    assert handle.result("1s") == "awake"
    assert len(world.history("r")) == 1


def test_a_sleep_that_is_woken_early_goes_on_sleeping() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    deadline_ms = world.run("r").wake_at_ms
    assert deadline_ms is not None
    world.runtime.advance("20 min")
    world.steal("r", owner="py:crashed")
    world.runtime.advance("10 min")
    world.durable.run_until_idle()

    run = world.run("r")
    assert (run.status, run.wake_at_ms) == ("suspended", deadline_ms)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
def test_sleep_until_takes_an_aware_instant(zone: timezone) -> None:
    world = World()
    wanted = from_ms(world.runtime.now_ms() + 3_600_000).astimezone(zone)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        ctx.sleep_until(wanted)
        return "awake"

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert world.run("r").wake_at_ms == world.runtime.now_ms() + 3_600_000
    world.runtime.advance("1 h")
    world.durable.run_until_idle()
    assert handle.result("1s") == "awake"


def test_sleeping_until_the_past_does_not_park() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        ctx.sleep_until(datetime(2000, 1, 1, tzinfo=UTC))
        ctx.sleep("0 s")
        return "awake"

    handle = world.durable.start(flow)
    assert world.durable.run_until_idle() == 1
    assert handle.result("1s") == "awake"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda ctx: ctx.sleep_until(datetime(2030, 1, 1)), "naive datetime"),  # noqa: DTZ001
        (lambda ctx: ctx.sleep_until("tomorrow"), "must be an aware datetime"),
        (lambda ctx: ctx.sleep(5), "a bare number is ambiguous"),
        (lambda ctx: ctx.sleep("-1 s"), "cannot read the duration"),
        (lambda ctx: ctx.sleep(timedelta(seconds=-1)), "must not be negative"),
        (lambda ctx: ctx.sleep("1 month"), "cannot read the duration"),
        (lambda ctx: ctx.wait_for_signal("t", timeout=5), "a bare number is ambiguous"),
        (lambda ctx: ctx.sleep("99999999 weeks"), "outside the years"),
    ],
    ids=["naive", "text", "bare number", "negative", "negative timedelta", "month", "timeout", "beyond the years"],
)
def test_a_bad_time_is_refused_before_anything_is_written(body: Any, words: str) -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        body(ctx)

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert world.history("r") == []
    with pytest.raises(RunFailed, match=words):
        handle.result("1s")


def test_now_is_the_instant_of_the_first_run() -> None:
    world = World()
    seen: list[datetime] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.now())
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    first = from_ms(world.runtime.now_ms())
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    assert seen == [first, first]
    assert seen[1].tzinfo is UTC
    checkpoint = world.history("r")[0]
    assert (checkpoint.name, checkpoint.kind, checkpoint.output) == ("now", "local", world.runtime.now_ms() - 3_600_000)


def test_a_side_effect_happens_once() -> None:
    world = World()
    given = iter([3, 4])
    seen: list[int] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.side_effect(lambda: next(given)))
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    assert seen == [3, 3]
    assert world.names("r") == [(0, "sideEffect"), (1, "sleep")]


def test_a_side_effect_comes_back_as_its_annotation_says() -> None:
    world = World()
    seen: list[tuple[int, ...]] = []

    def dice() -> tuple[int, ...]:
        return (3, 4)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.side_effect(dice))
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    assert seen == [(3, 4), (3, 4)]


def test_a_side_effect_may_be_whatever_can_be_called() -> None:
    world = World()
    seen: list[Any] = []

    @world.durable.step
    def pair() -> tuple[int, int]:
        return (3, 4)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.side_effect(partial(max, 1, 2)))
        seen.append(ctx.side_effect(pair))
        seen.append(ctx.side_effect([7].pop))

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    assert seen == [2, (3, 4), 7]
    assert world.run("r").status == "completed"


def test_an_unannotated_side_effect_is_plain_from_the_first_time_on() -> None:
    world = World()
    seen: list[Any] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.side_effect(lambda: (3, 4)))
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    assert seen == [[3, 4], [3, 4]]
