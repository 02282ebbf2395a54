"""A failed attempt is recorded, rests as long as its policy says, across processes, and fails alike on every replay."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core import Durable, FatalError, StepFailed, WorkflowContext
from durable_core.registry import RetryPolicy
from durable_world import World


def failing(durable: Durable, ran: list[int], error: Exception | None = None, **options: Any) -> None:
    """Register a workflow whose only step always fails."""

    @durable.step(**options)
    def charge() -> None:
        ran.append(1)
        raise error or LookupError("no such card")

    @durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        try:
            ctx.step(charge)
        except StepFailed as failed:
            seen = [type(failed).__name__, str(failed), failed.step, failed.message, failed.code, failed.attempts]
            ctx.sleep("1 h")
            return seen
        return None


def test_rests_double_and_are_capped_and_survive_every_process() -> None:
    world = World()
    ran: list[int] = []
    failing(world.durable, ran, max_attempts=6, backoff="1 s", max_backoff="5 s")
    world.durable.start("flow", id="r")
    rests = []
    for attempt in range(1, 6):
        process = world.process()
        failing(process, ran, max_attempts=6, backoff="1 s", max_backoff="5 s")
        assert process.run_until_idle() == 1
        (checkpoint,) = world.history("r")
        assert (checkpoint.status, checkpoint.attempts, len(ran)) == ("failed", attempt, attempt)
        assert checkpoint.error is not None
        assert (checkpoint.error.message, checkpoint.error.code) == ("no such card", "LookupError")
        assert checkpoint.error.retryable is True
        assert checkpoint.error.stack is not None
        assert "raise error or LookupError" in checkpoint.error.stack
        wake_at_ms = world.run("r").wake_at_ms
        assert wake_at_ms is not None
        assert checkpoint.wake_at_ms == wake_at_ms
        rests.append(wake_at_ms - world.runtime.now_ms())

        world.runtime.advance(f"{rests[-1] - 1} ms")
        assert process.run_until_idle() == 0, "it was taken up before its rest was over"
        world.runtime.advance("1 ms")

    assert rests == [1_000, 2_000, 4_000, 5_000, 5_000]
    last = world.process()
    failing(last, ran, max_attempts=6, backoff="1 s", max_backoff="5 s")
    last.run_until_idle()
    assert len(ran) == 6
    assert world.history("r")[0].attempts == 6


@pytest.mark.parametrize(("chance", "rest"), [(0.0, 500), (0.5, 750), (0.999_999, 1000)])
def test_jitter_shortens_by_up_to_half(chance: float, rest: int) -> None:
    assert RetryPolicy(backoff_ms=1_000, jitter=True).rest_ms(1, chance) == rest
    assert RetryPolicy(backoff_ms=1_000).rest_ms(1, chance) == 1_000


def test_an_endless_policy_stays_at_its_cap() -> None:
    assert RetryPolicy(backoff_ms=1_000, max_backoff_ms=60_000).rest_ms(100_000, 0.5) == 60_000


def test_a_raised_clock_of_fifty_percent_reaches_the_run() -> None:
    world = World()
    failing(world.durable, [], max_attempts=2, backoff="1 s", jitter=True)
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert world.run("r").wake_at_ms == world.runtime.now_ms() + 750


def test_without_backoff_all_attempts_are_made_in_one_turn() -> None:
    world = World()
    ran: list[int] = []
    failing(world.durable, ran, max_attempts=4, backoff="0 s")
    world.durable.start("flow", id="r")

    assert world.durable.run_until_idle() == 1
    assert len(ran) == 4
    assert world.history("r")[0].attempts == 4


def test_a_step_that_succeeds_at_last_is_completed_with_its_attempts() -> None:
    world = World()
    ran: list[int] = []

    @world.durable.step(max_attempts=3, backoff="0 s")
    def flaky() -> str:
        ran.append(1)
        if len(ran) < 3:
            raise LookupError("not yet")
        return "here"

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.step(flaky)

    handle = world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    assert handle.result("1s") == "here"
    (checkpoint,) = world.history("r")
    assert (checkpoint.status, checkpoint.attempts, checkpoint.error) == ("completed", 3, None)
    assert checkpoint.wake_at_ms is None


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (LookupError("no such card"), "LookupError", 2),
        (FatalError("stolen card", code="stolen"), "stolen", 1),
        (FatalError("stolen card"), "FatalError", 1),
        (ValueError(""), "ValueError", 2),
        (ValueError("a\x00b"), "ValueError", 2),
    ],
    ids=["error", "fatal with a code", "fatal", "no message", "NUL"],
)
def test_the_failure_is_the_same_on_the_first_run_and_on_a_replay(error: Exception, code: str, attempts: int) -> None:
    world = World()
    ran: list[int] = []
    seen: list[Any] = []

    @world.durable.step(max_attempts=2, backoff="0 s")
    def charge() -> None:
        ran.append(1)
        raise error

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        try:
            ctx.step(charge)
        except StepFailed as failed:
            seen.append((type(failed), str(failed), failed.step, failed.message, failed.code, failed.attempts))
        ctx.sleep("1 h")

    world.durable.start(flow)
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    first, replayed = seen
    assert first == replayed
    assert first[4:] == (code, attempts)
    assert len(ran) == attempts


def test_the_first_failure_carries_the_original_exception() -> None:
    world = World()
    causes: list[BaseException | None] = []

    @world.durable.step
    def charge() -> None:
        raise LookupError("no such card")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        try:
            ctx.step(charge)
        except StepFailed as failed:
            causes.append(failed.__cause__)

    world.durable.start(flow)
    world.durable.run_until_idle()

    (cause,) = causes
    assert isinstance(cause, LookupError)


def test_a_failure_that_nobody_catches_fails_the_run() -> None:
    world = World()

    @world.durable.step
    def charge() -> None:
        raise FatalError("stolen card", code="stolen")

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.step(charge)

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    run = world.run("r")
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("stolen", "step 'charge' failed after 1 attempt: stolen card")
    assert run.error.stack is not None
    assert "StepFailed" in run.error.stack
    assert run.locked_by is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1, 2}, "is a set, which cannot be stored as JSON: use a sorted list"),
        (b"x", "encode it as text"),
        (float("nan"), "nan"),
        (object(), "pass its id"),
    ],
    ids=["set", "bytes", "NaN", "object"],
)
def test_a_result_that_cannot_be_stored_fails_the_step_at_once(value: Any, words: str) -> None:
    world = World()
    ran: list[int] = []

    @world.durable.step(max_attempts=5)
    def make() -> Any:
        ran.append(1)
        return value

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> Any:
        return ctx.step(make)

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    (checkpoint,) = world.history("r")
    assert checkpoint.status == "failed"
    assert checkpoint.error is not None
    assert "what 'make' returned" in checkpoint.error.message
    assert words in checkpoint.error.message
    assert checkpoint.error.code == "NotJsonSerializable"
    assert ran == [1]
    assert world.run("r").status == "failed"


def test_an_exception_that_cannot_be_printed_is_recorded() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("never mind")

    world = World()
    failing(world.durable, [], Odd())
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    (checkpoint, _) = world.history("r")
    assert checkpoint.error is not None
    assert (checkpoint.error.message, checkpoint.error.code) == ("Odd", "Odd")


def test_a_crash_in_the_middle_of_an_attempt_counts_no_attempt() -> None:
    class Crash(BaseException):
        pass

    world = World()
    ran: list[int] = []

    @world.durable.step(max_attempts=2, backoff="0 s")
    def charge() -> str:
        ran.append(1)
        if len(ran) == 1:
            raise Crash
        return "charged"

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        return ctx.step(charge)

    handle = world.durable.start(flow, id="r")
    with pytest.raises(Crash):
        world.durable.run_until_idle()
    assert world.history("r") == []
    assert world.run("r").status == "running"

    world.runtime.advance("30 s")
    world.process()
    world.durable.run_until_idle()
    assert handle.result("1s") == "charged"
    assert world.history("r")[0].attempts == 1
