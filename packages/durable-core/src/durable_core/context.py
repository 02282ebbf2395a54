"""The doors that a workflow body is given: typed one-liners over `durable_core.engine`; no logic."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast, overload

from durable_core.drive import run_blocking
from durable_core.durations import Duration, duration_ms
from durable_core.engine import steps, waits
from durable_core.engine.places import calling_place
from durable_core.engine.turn import Turn
from durable_core.errors import SignalTimeout
from durable_core.instants import to_ms
from durable_core.registry import Step

__all__ = ["AsyncWorkflowContext", "Operation", "WorkflowContext"]

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")

#: What a task group, a gather or an await takes.
Operation: TypeAlias = Coroutine[Any, Any, R]

_RAISE: Final = object()


class _Operations:
    """What both doors share: the position is taken when an operation is asked for, not when it is awaited."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    @property
    def run_id(self) -> str:
        """The id of this run."""
        return self._turn.run.id

    @property
    def workflow(self) -> str:
        """The name of this run's workflow."""
        return self._turn.run.workflow

    @property
    def namespace(self) -> str:
        """The namespace of this run."""
        return self._turn.run.namespace or ""

    def _perform(self, operation: Callable[..., Coroutine[Any, Any, Any]], *given: Any) -> Coroutine[Any, Any, Any]:
        place = calling_place()
        self._turn.check_usable(place)
        position = self._turn.take_position()
        return self._turn.perform(lambda: operation(self._turn, position, place, *given), position, place)

    def _sleep(self, duration: Duration) -> Coroutine[Any, Any, Any]:
        return self._perform(waits.sleep_until, self._turn.runtime.now_ms() + duration_ms(duration))

    def _sleep_until(self, instant: datetime) -> Coroutine[Any, Any, Any]:
        return self._perform(waits.sleep_until, to_ms(instant, "ctx.sleep_until"))

    async def _signal(self, operation: Coroutine[Any, Any, Any], default: Any) -> Any:
        try:
            return await operation
        except SignalTimeout:
            if default is _RAISE:
                raise
            return default

    def _wait_for_signal(self, token: str, timeout: Duration | None, default: Any) -> Coroutine[Any, Any, Any]:
        timeout_ms = None if timeout is None else duration_ms(timeout)
        operation = self._perform(waits.wait_for_signal, token, timeout_ms)
        self._turn.take_position()
        return self._signal(operation, default)


class WorkflowContext(_Operations):
    """What a `def` workflow is given under `Durable`.

    The body may only depend on its input and on what these methods return: it is executed again from the top after
    every wait and every crash. They are for the body alone: `ContextMisused` in steps, on other threads and later.
    """

    def step(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of *step*: run once and checkpointed, then replayed.

        At least once: a crash between the step's end and its checkpoint runs it again; give outside services the
        same idempotency key each time, for instance ``f"{ctx.run_id}:charge"``. Arguments and result must be
        JSON-serializable; the result comes back as the annotated return type. Raises `StepFailed` when the attempts
        are used up. A failed attempt parks the run until its backoff is over, across crashes.
        """
        return cast("R", run_blocking(self._perform(steps.run_step, step, args, kwargs)))

    def transaction(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of *function*, run once in a transaction of the application's own database.

        Exactly once: its writes through the application's ORM and the checkpoint are one commit. A rollback by the
        database (deadlock, serialization failure) is repeated; an error of *function* leaves nothing behind and
        raises `StepFailed`. *function* must be quick, and must not wait for the outside world.
        """
        return cast("R", run_blocking(self._perform(steps.run_transaction, function, args, kwargs)))

    def sleep(self, duration: Duration) -> None:
        """Park the run for *duration* (``"7 days"`` or a timedelta), counted from the first time it got here."""
        run_blocking(self._sleep(duration))

    def sleep_until(self, instant: datetime) -> None:
        """Park the run until *instant*, which must be aware."""
        run_blocking(self._sleep_until(instant))

    def now(self) -> datetime:
        """The instant at which the run first got here: aware, UTC, milliseconds; the same on every replay."""
        return cast("datetime", run_blocking(self._perform(steps.capture_now)))

    def side_effect(self, function: Callable[[], R]) -> R:
        """The value *function* gave the first time (a random number, a fresh id); the same on every replay."""
        return cast("R", run_blocking(self._perform(steps.run_side_effect, function)))

    @overload
    def wait_for_signal(self, token: str, timeout: Duration | None = None) -> Any: ...
    @overload
    def wait_for_signal(self, token: str, timeout: Duration, *, default: D) -> Any | D: ...
    def wait_for_signal(self, token: str, timeout: Duration | None = None, *, default: Any = _RAISE) -> Any:
        """Park the run until `Durable.signal` is called with *token*; return its payload.

        A signal that came earlier is there at once. Past *timeout* raises `SignalTimeout`, or returns *default* if
        given; whichever happened first is what every replay sees. One run waits per token: `SignalTokenInUse`.
        """
        return run_blocking(self._wait_for_signal(token, timeout, default))


class AsyncWorkflowContext(_Operations):
    """What an `async def` workflow is given under `AsyncDurable`: the same promises, awaited.

    Calls may run side by side, by ``asyncio.gather``, task groups, tasks, ``asyncio.as_completed``. A call takes its
    position when it is made, and a replay gives the results back in the order of the first time. Whatever ends the
    turn waits for the calls beside it, and tasks that the body has left behind are cancelled then. A call that the
    body cancels is finished and saved before its `CancelledError` is raised.

    Time in a body is `sleep` and the timeout of `wait_for_signal`. ``asyncio.timeout`` and ``asyncio.wait_for`` around
    calls block the run with `UnreplayableTimeout`; inside a step they are right. Anything else that awaits the outside
    world (``asyncio.sleep``, executors, HTTP) belongs into a step: the body may not depend on it.
    """

    @overload
    def step(self, step: Step[P, Operation[R]], *args: P.args, **kwargs: P.kwargs) -> Operation[R]: ...
    @overload
    def step(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> Operation[R]: ...
    def step(self, step: Step[P, Any], *args: P.args, **kwargs: P.kwargs) -> Operation[Any]:
        """See `WorkflowContext.step`. A plain `def` step runs on a thread."""
        return self._perform(steps.run_step, step, args, kwargs)

    @overload
    def transaction(self, function: Callable[P, Operation[R]], *args: P.args, **kwargs: P.kwargs) -> Operation[R]: ...
    @overload
    def transaction(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Operation[R]: ...
    def transaction(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Operation[Any]:
        """See `WorkflowContext.transaction`.

        *function* is an `async def`; over an offloaded store it is a plain `def`, on the thread that holds the
        transaction. Elsewhere a plain `def` could not take part in it, and is refused with `InvalidDefinition`.
        """
        return self._perform(steps.run_transaction, function, args, kwargs)

    def sleep(self, duration: Duration) -> Operation[None]:
        """See `WorkflowContext.sleep`."""
        return self._sleep(duration)

    def sleep_until(self, instant: datetime) -> Operation[None]:
        """See `WorkflowContext.sleep_until`."""
        return self._sleep_until(instant)

    def now(self) -> Operation[datetime]:
        """See `WorkflowContext.now`."""
        return self._perform(steps.capture_now)

    def side_effect(self, function: Callable[[], R]) -> Operation[R]:
        """See `WorkflowContext.side_effect`."""
        return self._perform(steps.run_side_effect, function)

    @overload
    def wait_for_signal(self, token: str, timeout: Duration | None = None) -> Operation[Any]: ...
    @overload
    def wait_for_signal(self, token: str, timeout: Duration, *, default: D) -> Operation[Any | D]: ...
    def wait_for_signal(self, token: str, timeout: Duration | None = None, *, default: Any = _RAISE) -> Operation[Any]:
        """See `WorkflowContext.wait_for_signal`."""
        return self._wait_for_signal(token, timeout, default)
