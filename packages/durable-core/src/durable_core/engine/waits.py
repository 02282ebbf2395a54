"""Waits: sleeping until an instant, and waiting for a signal."""

from __future__ import annotations

from typing import Any, Final

from durable_core.engine.places import place_events
from durable_core.engine.turn import Turn
from durable_core.errors import SignalTimeout
from durable_core.records import SignalWaiter, StepCheckpoint, StepError
from durable_core.validation import check_identifier

__all__ = ["TIMED_OUT", "check_token", "sleep_until", "wait_for_signal"]

#: The code of the failed checkpoint that a timed-out wait leaves, so that replay times out again.
TIMED_OUT: Final = "signal_timeout"


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
        if deadline is None and timeout_ms is not None:
            deadline = _deadline(turn, seq, deadline_name, turn.runtime.now_ms() + timeout_ms, place)
            await turn.save(deadline)
        recorded = await _receive(turn, waiter, None if deadline is None else deadline.wake_at_ms, place)
    if recorded.status == "failed":
        raise SignalTimeout(token)
    return recorded.output


async def _receive(turn: Turn, waiter: SignalWaiter, deadline_ms: int | None, place: str) -> StepCheckpoint:
    received = await turn.store.consume_buffered_signal(waiter, turn.now(), owner=turn.lease.owner)
    if received is None and deadline_ms is not None and deadline_ms <= turn.runtime.now_ms():
        received = await _time_out(turn, waiter, place)
    if received is None:
        turn.left_waiter = True
        fallback = turn.runtime.now_ms() + turn.options.reconcile_ms
        turn.suspend_until(fallback if deadline_ms is None else min(deadline_ms, fallback))
    turn.history.remember(received)
    return received


async def _time_out(turn: Turn, waiter: SignalWaiter, place: str) -> StepCheckpoint:
    """Record the timeout, unless a signal wins at the last moment: removing the waiter decides."""
    if not await turn.store.remove_signal_waiter(waiter):
        delivered = await turn.store.get_checkpoint(waiter.run_id, waiter.seq)
        if delivered is not None:
            return delivered
    late = StepError(message=f"no signal {waiter.token!r} arrived in time", code=TIMED_OUT, retryable=False)
    events = place_events(place, turn.runtime.now_ms())
    checkpoint = turn.checkpoint(
        waiter.seq, f"signal:{waiter.token}", "signal", status="failed", error=late, events=events
    )
    await turn.save(checkpoint)
    return checkpoint


def _deadline(turn: Turn, seq: int, name: str, wake_at_ms: int, place: str) -> StepCheckpoint:
    events = place_events(place, turn.runtime.now_ms())
    return turn.checkpoint(seq, name, "sleep", wake_at_ms=wake_at_ms, events=events)
