"""Signals: who waits for a token, what was sent before anybody did, and the two deliveries that join them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from durable_core.errors import SignalTokenInUse
from durable_core.instants import to_ms, to_utc
from durable_core.memory.checkpoints import Checkpoints
from durable_core.memory.rows import Rows, waiter_of_row, waiter_to_row
from durable_core.memory.tables import RunRow, SignalRow, Tables
from durable_core.records import TERMINAL_STATUSES, BufferedSignal, SignalWaiter, StepCheckpoint
from durable_core.validation import check_checkpoint, check_identifier, check_prefix, check_waiter

__all__ = ["Signals"]


class Signals:
    """The waiters and the buffered signals."""

    def __init__(self, tables: Tables, rows: Rows, checkpoints: Checkpoints) -> None:
        self._tables = tables
        self._rows = rows
        self._checkpoints = checkpoints

    def put_waiter(self, waiter: SignalWaiter) -> None:
        """`StateStore.put_signal_waiter`."""
        check_waiter(waiter)
        self._tables.waiters.put(waiter_to_row(waiter))

    def take_waiter(self, token: str) -> SignalWaiter | None:
        """`StateStore.take_signal_waiter`."""
        row = self._tables.waiters.remove(check_identifier(token, "signal token"))
        return None if row is None else waiter_of_row(row)

    def waiters_by_prefix(self, prefix: str) -> list[SignalWaiter]:
        """`StateStore.list_signal_waiters`."""
        check_prefix(prefix, "signal token prefix")
        rows = (row for row in self._tables.waiters.all() if row.token.startswith(prefix))
        return [waiter_of_row(row) for row in sorted(rows, key=lambda row: row.token)]

    def remove_waiter(self, waiter: SignalWaiter) -> bool:
        """`StateStore.remove_signal_waiter`."""
        check_waiter(waiter)
        row = self._tables.waiters.get(waiter.token)
        if row is None or (row.run_id, row.seq) != (waiter.run_id, waiter.seq):
            return False
        self._tables.waiters.remove(waiter.token)
        return True

    def buffer(self, token: str, payload: Any) -> None:
        """`StateStore.buffer_signal`."""
        check_identifier(token, "signal token")
        self._append(token, self._rows.payload(payload, "signal payload"))

    def take_buffered(self, token: str) -> BufferedSignal | None:
        """`StateStore.take_buffered_signal`."""
        row = self._take_oldest(check_identifier(token, "signal token"))
        return None if row is None else self._rows.signal(row)

    def deliver(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        """`StateStore.deliver_signal`."""
        check_identifier(token, "signal token")
        text = self._rows.payload(payload, "signal payload")
        at = to_utc(now, "now")
        row = self._tables.waiters.remove(token)
        run = None if row is None else self._live(row.run_id)
        if row is None or run is None:
            self._append(token, text)
            return None
        waiter = waiter_of_row(row)
        self._save(waiter, text, at)
        if run.status in ("suspended", "running"):
            self._tables.runs.put(replace(run, wake_at_ms=to_ms(at)))
        return waiter

    def consume(self, waiter: SignalWaiter, now: datetime, owner: str) -> StepCheckpoint | None:
        """`StateStore.consume_buffered_signal`."""
        check_waiter(waiter)
        check_identifier(owner, "owner")
        at = to_utc(now, "now")
        # Also where there is nothing to save yet: nobody may park on a token whose checkpoint could not be written.
        check_checkpoint(StepCheckpoint.of_signal(waiter, None, at))
        self._checkpoints.check_fence(waiter.run_id, owner)
        delivered = self._tables.checkpoints.get((waiter.run_id, waiter.seq))
        if delivered is not None and delivered.status == "completed":
            self.remove_waiter(waiter)
            return self._rows.checkpoint(delivered)
        standing = self._tables.waiters.get(waiter.token)
        if standing is not None and standing.run_id != waiter.run_id and self._live(standing.run_id) is not None:
            raise SignalTokenInUse(waiter.token, standing.run_id)
        buffered = self._take_oldest(waiter.token)
        if buffered is None:
            self._tables.waiters.put(waiter_to_row(waiter))
            return None
        self._tables.waiters.remove(waiter.token)
        return self._save(waiter, buffered.payload, at)

    def _save(self, waiter: SignalWaiter, text: str | None, at: datetime) -> StepCheckpoint:
        # The payload moves as the text that it is: one round trip through the codec, and damage stays visible.
        checkpoint = StepCheckpoint.of_signal(waiter, None, at)
        check_checkpoint(checkpoint)
        row = replace(self._rows.checkpoint_row(checkpoint), output=text)
        self._tables.checkpoints.put(row)
        return self._rows.checkpoint(row)

    def _live(self, run_id: str) -> RunRow | None:
        run = self._tables.runs.get(run_id)
        return None if run is None or run.status in TERMINAL_STATUSES else run

    def _append(self, token: str, text: str | None) -> None:
        self._tables.signals.put(SignalRow(id=next(self._tables.signal_ids), token=token, payload=text))

    def _take_oldest(self, token: str) -> SignalRow | None:
        oldest = min(self._tables.signals.where(token), key=lambda row: row.id, default=None)
        return None if oldest is None else self._tables.signals.remove(oldest.id)
