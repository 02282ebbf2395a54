"""Signals and events that are lost, doubled or given to the wrong one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from durable_core.memory import InMemoryStateStore
from durable_core.records import BufferedEvent, BufferedSignal, Guard, RunPatch, SignalWaiter, StepCheckpoint
from mutants.registry import breathe, killed_by

__all__ = [
    "ConsumptionRegistersNothing",
    "DeliversAndBuffers",
    "DeliveryInTwoSteps",
    "EventsAreAlwaysRemoved",
    "EventsOverwrite",
    "NoneIsNoSignal",
    "RemovesByToken",
    "RunningIsNotMadeDue",
    "TakeLooksFirst",
    "TakesTwice",
    "TokensFoldCase",
    "UnfencedConsumption",
]


@killed_by("SIGNAL-07")
class TokensFoldCase(InMemoryStateStore):
    """Tokens that differ in case are one, as in a collation that ignores it."""

    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        await super().put_signal_waiter(replace(waiter, token=waiter.token.lower()))

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return await super().take_signal_waiter(token.lower())


@killed_by("SIGNAL-01", "SIGNAL-20")
class TakesTwice(InMemoryStateStore):
    """Taking a waiter leaves it where it is."""

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        return next((one for one in await self.list_signal_waiters(token) if one.token == token), None)


@killed_by("SIGNAL-20", "SIGNAL-23")
class TakeLooksFirst(TakesTwice):
    """A waiter is read in one transaction and deleted in the next."""

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        waiter = await super().take_signal_waiter(token)
        breathe()
        if waiter is not None:
            await self.remove_signal_waiter(waiter)
        return waiter


@killed_by("SIGNAL-10")
class NoneIsNoSignal(InMemoryStateStore):
    """A payload of None is taken for no signal."""

    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        taken = await super().take_buffered_signal(token)
        return taken if taken is not None and taken.payload is not None else None


@killed_by("SIGNAL-03")
class RemovesByToken(InMemoryStateStore):
    """A waiter is removed by its token alone."""

    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        return await self.take_signal_waiter(waiter.token) is not None


@killed_by("DELIVER-01", "DELIVER-20", "DELIVER-21")
class DeliversAndBuffers(InMemoryStateStore):
    """A delivered signal is buffered as well."""

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        served = await super().deliver_signal(token, payload, now)
        if served is not None:
            await self.buffer_signal(token, payload)
        return served


@killed_by("DELIVER-21")
class DeliveryInTwoSteps(InMemoryStateStore):
    """A waiter is looked for in one transaction, and the signal buffered in the next."""

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        waiters = await self.list_signal_waiters(token)
        breathe()
        if waiters:
            return await super().deliver_signal(token, payload, now)
        await self.buffer_signal(token, payload)
        return None


@killed_by("DELIVER-03", "SUSPEND-03")
class RunningIsNotMadeDue(InMemoryStateStore):
    """A signal to a running run leaves it without an instant."""

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        served = await super().deliver_signal(token, payload, now)
        if served is not None:
            await self.update_run(served.run_id, RunPatch(wake_at_ms=None), expect=Guard(statuses=("running",)))
        return served


@killed_by("CONSUME-06")
class UnfencedConsumption(InMemoryStateStore):
    """A payload is consumed whoever holds the run."""

    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        run = await self.get_run(waiter.run_id)
        return await super().consume_buffered_signal(waiter, now, owner=run.locked_by or owner if run else owner)


@killed_by("CONSUME-02", "CONSUME-05")
class ConsumptionRegistersNothing(InMemoryStateStore):
    """A wait that finds nothing buffered is not registered."""

    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        saved = await super().consume_buffered_signal(waiter, now, owner=owner)
        await self.remove_signal_waiter(waiter)
        return saved


@killed_by("EVENT-06")
class EventsOverwrite(InMemoryStateStore):
    """A second event of the same id replaces the first."""

    async def buffer_event(self, event: BufferedEvent) -> None:
        await self.remove_buffered_event(event.id)
        await super().buffer_event(event)


@killed_by("EVENT-03", "EVENT-20")
class EventsAreAlwaysRemoved(InMemoryStateStore):
    """Every remover of an event is told that it did."""

    async def remove_buffered_event(self, event_id: str) -> bool:
        await super().remove_buffered_event(event_id)
        return True
