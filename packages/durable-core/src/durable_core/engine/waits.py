"""Waits: sleeping until an instant, and waiting for a signal."""

from __future__ import annotations

from typing import Any, Final

from durable_core.engine.places import place_events
from durable_core.engine.turn import Turn
from durable_core.errors import DurableError, SignalTimeout, SignalTokenInUse
from durable_core.records import SignalWaiter, StepCheckpoint, StepError
from durable_core.validation import check_identifier

__all__ = ["TIMED_OUT", "TOKEN_IN_USE", "check_token", "sleep_until", "wait_for_signal"]

#: The code of the failed checkpoint that a timed-out wait leaves, so that replay times out again.
TIMED_OUT: Final = "signal_timeout"
#: The same for a wait on a token that another run was waiting for; its output is that run's id.
TOKEN_IN_USE: Final = "signal_token_in_use"


def check_token(token: str) -> None:
    """Refuse a signal token that could not stand in the names of its two checkpoints."""
    check_identifier(token, "signal token")
    check_identifier(f"timeout:{token}", "signal token with its prefix 'timeout:'")


async def sleep_until(turn: Turn, seq: int, place: str, wake_at_ms: int) -> None:
    """Return once *wake_at_ms* of the first run has passed; the run is parked until then."""
    recorded = turn.recorded(seq, "sleep", "sleep", place)
    if recorded is None:
        turn.check_may_begin()
        recorded = _deadline(turn, seq, "sleep", wake_at_ms, place)
        await turn.save(recorded)
    deadline = recorded.wake_at_ms if recorded.wake_at_ms is not None else wake_at_ms
    if turn.runtime.now_ms() < deadline:
        turn.suspend_until(deadline)


async def wait_for_signal(turn: Turn, seq: int, place: str, token: str, timeout_ms: int | None) -> Any:
    """The payload of the signal *token*. Raises `SignalTimeout` past the deadline.

    Takes the positions *seq* (its deadline) and *seq* + 1, timeout or not, so
    that adding a timeout later keeps old runs replayable.
    """
    check_token(token)
    waiter = SignalWaiter(token=token, run_id=turn.run.id, seq=seq + 1)
    name = f"signal:{token}"
    deadline_name = f"timeout:{token}"
    deadline = turn.recorded(seq, deadline_name, "sleep", place)
    recorded = turn.recorded(waiter.seq, name, "signal", place)
    if recorded is None:
        turn.check_may_begin()
        # Without a timeout there is a deadline too, of never, if there is something to remember before the run parks.
        if deadline is None and (timeout_ms is not None or turn.deliveries.unsaved):
            wake_at_ms = None if timeout_ms is None else turn.runtime.now_ms() + timeout_ms
            deadline = _deadline(turn, seq, deadline_name, wake_at_ms, place)
            await turn.save(deadline)
        recorded = await _receive(turn, waiter, None if deadline is None else deadline.wake_at_ms, place)
    if recorded.status == "failed":
        raise _failure(token, recorded)
    return recorded.output


def _failure(token: str, recorded: StepCheckpoint) -> DurableError:
    if recorded.error is not None and recorded.error.code == TOKEN_IN_USE:
        return SignalTokenInUse(token, str(recorded.output))
    return SignalTimeout(token)


async def _receive(turn: Turn, waiter: SignalWaiter, deadline_ms: int | None, place: str) -> StepCheckpoint:
    try:
        received = await turn.store.consume_buffered_signal(waiter, turn.now(), owner=turn.lease.owner)
    except SignalTokenInUse as taken:
        # Recorded, because the body may go on from here, and a replay may find the token free.
        return await _refuse(turn, waiter, place, str(taken), TOKEN_IN_USE, output=taken.run_id)
    if received is None and deadline_ms is not None and deadline_ms <= turn.runtime.now_ms():
        received = await _time_out(turn, waiter, place)
    if received is None:
        turn.left_waiter = True
        fallback = turn.runtime.now_ms() + turn.options.reconcile_ms
        turn.suspend_until(fallback if deadline_ms is None else min(deadline_ms, fallback))
    turn.remember(received)
    return received


async def _time_out(turn: Turn, waiter: SignalWaiter, place: str) -> StepCheckpoint:
    """Record the timeout, unless a signal wins at the last moment: removing the waiter decides."""
    if not await turn.store.remove_signal_waiter(waiter):
        delivered = await turn.store.get_checkpoint(waiter.run_id, waiter.seq)
        if delivered is not None:
            return delivered
    return await _refuse(turn, waiter, place, f"no signal {waiter.token!r} arrived in time", TIMED_OUT)


async def _refuse(
    turn: Turn, waiter: SignalWaiter, place: str, message: str, code: str, output: Any = None
) -> StepCheckpoint:
    checkpoint = turn.checkpoint(
        waiter.seq,
        f"signal:{waiter.token}",
        "signal",
        status="failed",
        output=output,
        error=StepError(message=message, code=code, retryable=False),
        events=place_events(place, turn.runtime.now_ms()),
    )
    await turn.save(checkpoint)
    return checkpoint


def _deadline(turn: Turn, seq: int, name: str, wake_at_ms: int | None, place: str) -> StepCheckpoint:
    events = place_events(place, turn.runtime.now_ms())
    return turn.checkpoint(seq, name, "sleep", wake_at_ms=wake_at_ms, events=events)
