"""Steps: replay what succeeded, attempt what did not, record both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any, Final, TypeVar

from durable_core.codec import plain
from durable_core.engine.control import Abort, ControlFlow
from durable_core.engine.failures import is_final, recorded_failure, step_failed
from durable_core.engine.places import place_events
from durable_core.engine.turn import Turn
from durable_core.errors import InvalidDefinition, StepNotRegistered, StoreContention, StoreError
from durable_core.instants import from_ms
from durable_core.records import StepCheckpoint
from durable_core.registry import RetryPolicy, Step
from durable_core.store import StoreTransaction
from durable_core.typed import TypedValue, return_type

__all__ = ["capture_now", "run_side_effect", "run_step", "run_transaction"]

T = TypeVar("T")

#: How often a transaction that the database rolled back because of others is tried again within one attempt.
_CONTENTION_TRIES: Final = 8


async def run_step(
    turn: Turn, seq: int, place: str, step: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The result of *step* at *seq*: recorded, or from running it now. At least once; retried by its policy."""
    if not isinstance(step, Step):
        raise StepNotRegistered(
            f"ctx.step() at {place} was given {step!r}, which is no registered step: put @durable.step above its "
            "definition (or call ctx.side_effect, ctx.transaction for what those are for)"
        )
    attempt = _Attempt(turn, seq, place, step.name, step.retry, step.result)
    given = plain(_arguments(args, kwargs), f"the arguments of step {step.name!r}") if args or kwargs else None

    async def once() -> StepCheckpoint:
        with turn.scope.users_code(f"step {step.name!r}"):
            result = await turn.runtime.call(step.function, *args, **kwargs)
        return attempt.completed(given, result)

    return await attempt.run(once, save=turn.save)


async def run_transaction(
    turn: Turn, seq: int, place: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The result of *function* at *seq*, whose business writes and checkpoint are one commit: exactly once."""
    if isinstance(function, Step):
        name, retry, result, body = function.name, function.retry, function.result, function.function
    else:
        name, retry, result, body = _name(function), RetryPolicy(), return_type(function, "ctx.transaction"), function
    attempt = _Attempt(turn, seq, place, name, retry, result)

    async def work(tx: StoreTransaction) -> StepCheckpoint:
        with turn.scope.users_code(f"{name!r}"):
            value = body(*args, **kwargs)
            if isawaitable(value):
                value = await value
            elif not turn.runtime.blocking and turn.scope.is_here():
                raise InvalidDefinition(
                    f"ctx.transaction at {place} was given the plain def {name!r}, which cannot await the database of "
                    "an async store, so nothing that it does could be in the transaction: make it an async def"
                )
        checkpoint = attempt.completed(None, value)
        await tx.save_checkpoint(checkpoint, owner=turn.lease.owner)
        return checkpoint

    async def once() -> StepCheckpoint:
        tries = 0
        while True:
            tries += 1
            try:
                return await turn.store.transaction(work)
            except StoreError as error:
                # No attempt of the user's has failed. After contention nothing has happened at all; after a broken
                # connection the commit may even stand, and only the next turn can tell: nothing may be recorded now.
                if tries == _CONTENTION_TRIES or not isinstance(error, StoreContention):
                    raise Abort(error) from error
            await turn.runtime.sleep(round(10 * tries * (0.5 + turn.runtime.chance())))

    async def keep(checkpoint: StepCheckpoint) -> None:
        turn.remember(checkpoint)

    return await attempt.run(once, save=keep)


async def run_side_effect(turn: Turn, seq: int, place: str, function: Callable[[], Any]) -> Any:
    """The value that *function* gave on the first run."""
    return await _captured(turn, seq, place, "sideEffect", function, return_type(function, "ctx.side_effect"))


async def capture_now(turn: Turn, seq: int, place: str) -> datetime:
    """The instant of the first run, aware, in UTC."""
    ms = await _captured(turn, seq, place, "now", turn.runtime.now_ms, TypedValue(int, "ctx.now"))
    return from_ms(ms).astimezone(UTC)


async def _captured(
    turn: Turn, seq: int, place: str, name: str, function: Callable[[], Any], result: TypedValue
) -> Any:
    recorded = turn.recorded(seq, name, "local", place)
    if recorded is None:
        turn.check_may_begin()
        with turn.scope.users_code(f"what ctx.{name} at {place} was given"):
            value = function()
            if isawaitable(value):
                value = await value
        what = f"the value of ctx.{name} at {place}"
        output = result.check(plain(value, what), what)
        recorded = turn.checkpoint(seq, name, "local", output=output, events=_remembered(turn, place))
        await turn.save(recorded)
    return result.rebuild(recorded.output)


class _Attempt:
    """One position of a body that may be attempted several times, across crashes."""

    def __init__(self, turn: Turn, seq: int, place: str, name: str, retry: RetryPolicy, result: TypedValue) -> None:
        self._turn = turn
        self._seq = seq
        self._place = place
        self._name = name
        self._retry = retry
        self._result = result
        self._started_at = turn.now()
        self._number = 1

    async def run(self, once: Callable[[], Any], save: Callable[[StepCheckpoint], Any]) -> Any:
        """Replay, or attempt until it succeeds, must rest, or has used up its attempts."""
        turn = self._turn
        recorded = turn.recorded(self._seq, self._name, "local", self._place)
        if recorded is not None and recorded.status == "completed":
            return self._result.rebuild(recorded.output)
        if recorded is not None:
            self._after(recorded)
        while True:
            turn.check_may_begin()
            self._started_at = turn.now()
            try:
                checkpoint = await once()
            except ControlFlow:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the user's step raises is its failure
                await self._failed(error)
                continue
            await save(checkpoint)
            return self._result.rebuild(checkpoint.output)

    def completed(self, given: Any, result: Any) -> StepCheckpoint:
        """The checkpoint of a success. The result is what a replay will read: its plain form."""
        what = f"what {self._name!r} returned"
        output = self._result.check(plain(result, what), what)
        return self._checkpoint("completed", input=given, output=output)

    async def _failed(self, error: Exception) -> None:
        policy = self._retry
        again = not is_final(error) and self._number < policy.max_attempts
        failure = recorded_failure(error, retryable=again)
        wake_at_ms = None
        if again:
            rest = policy.rest_ms(self._number, self._turn.runtime.chance())
            wake_at_ms = self._turn.runtime.now_ms() + rest
        checkpoint = self._checkpoint("failed", error=failure, wake_at_ms=wake_at_ms)
        await self._turn.save(checkpoint)
        if not again:
            raise step_failed(self._name, failure, self._number) from error
        self._after(checkpoint)

    def _after(self, failed: StepCheckpoint) -> None:
        """Go on from a recorded failure: raise it, rest first, or attempt again now."""
        given_up = failed.error is not None and failed.error.retryable is False
        if failed.status == "failed" and (given_up or failed.attempts >= self._retry.max_attempts):
            raise step_failed(self._name, failed.error, failed.attempts)
        if failed.wake_at_ms is not None and failed.wake_at_ms > self._turn.runtime.now_ms():
            self._turn.suspend_until(failed.wake_at_ms)
        self._number = failed.attempts + 1

    def _checkpoint(self, status: str, **fields: Any) -> StepCheckpoint:
        return self._turn.checkpoint(
            self._seq,
            self._name,
            "local",
            status=status,
            attempts=self._number,
            started_at=self._started_at,
            events=_remembered(self._turn, self._place),
            **fields,
        )


def _remembered(turn: Turn, place: str) -> list[dict[str, Any]]:
    return place_events(place, turn.runtime.now_ms())


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """As the Node library records them where it can: a single argument is the input itself."""
    if not kwargs:
        return args[0] if len(args) == 1 else list(args)
    return {"args": list(args), "kwargs": kwargs}


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "<lambda>")
    if name == "<lambda>":
        raise InvalidDefinition(f"ctx.transaction records the function's name, and {function!r} has none: use a def")
    return str(name)
