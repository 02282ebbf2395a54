"""Signals: who waits for a token, what was sent before anybody did, and the two deliveries that join them.

Both deliveries take the token's key in the waiters table and hold it until they commit, whether anybody waits or not:
that is what serialises them, at every isolation level. Whoever locks several rows takes them in one order, so that
nobody waits in a circle: waiters, then runs, then checkpoints and buffered signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from durable_core.errors import LeaseLost, SignalTokenInUse
from durable_core.instants import to_utc
from durable_core.records import TERMINAL_STATUSES, BufferedSignal, SignalWaiter, StepCheckpoint
from durable_core.validation import check_checkpoint, check_identifier, check_prefix, check_waiter
from durable_sql.rows import Rows, waiter_of_row, waiter_row
from durable_sql.session import Row, Session
from durable_sql.statements import checkpoints, runs, signals

__all__ = ["Signals"]


class Signals:
    """The waiters and the buffered signals."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def put_waiter(self, waiter: SignalWaiter) -> None:
        """`StateStore.put_signal_waiter`."""
        check_waiter(waiter)
        await self._session.execute(signals.put_waiter(self._session.dialect, waiter_row(waiter)))

    async def take_waiter(self, token: str) -> SignalWaiter | None:
        """`StateStore.take_signal_waiter`."""
        check_identifier(token, "signal token")
        dialect = self._session.dialect
        if dialect.has_returning:
            taken = await self._session.fetch(signals.take_waiter_returning(dialect, token))
        else:
            async with self._session.transaction(read_committed=True):
                taken = await self._session.fetch(signals.lock_waiter(dialect, token))
                if taken:
                    await self._session.execute(signals.delete_waiter(dialect, token))
        return waiter_of_row(taken[0]) if taken else None

    async def waiters_by_prefix(self, prefix: str) -> list[SignalWaiter]:
        """`StateStore.list_signal_waiters`."""
        check_prefix(prefix, "signal token prefix")
        found = await self._session.fetch(signals.list_waiters(self._session.dialect, prefix))
        return [waiter_of_row(row) for row in found]

    async def remove_waiter(self, waiter: SignalWaiter) -> bool:
        """`StateStore.remove_signal_waiter`."""
        check_waiter(waiter)
        remove = signals.remove_waiter(self._session.dialect, waiter.token, waiter.run_id, waiter.seq)
        return bool(await self._session.execute(remove))

    async def buffer(self, token: str, payload: Any) -> None:
        """`StateStore.buffer_signal`."""
        check_identifier(token, "signal token")
        text = self._rows.signal_payload(payload)
        await self._session.execute(signals.buffer_signal(self._session.dialect, token, text))

    async def take_buffered(self, token: str) -> BufferedSignal | None:
        """`StateStore.take_buffered_signal`."""
        row = await self._take_oldest(check_identifier(token, "signal token"), wait=False)
        return None if row is None else self._rows.signal(row)

    async def deliver(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        """`StateStore.deliver_signal`."""
        check_identifier(token, "signal token")
        text = self._rows.signal_payload(payload)
        at = to_utc(now, "now")
        dialect = self._session.dialect
        async with self._session.transaction(read_committed=True):
            standing = await self._claim({"token": token, **signals.NOBODY})
            await self._session.execute(signals.delete_waiter(dialect, token))
            if standing.run_id == signals.NOBODY["run_id"] or not await self._is_live(standing.run_id, lock=True):
                await self._session.execute(signals.buffer_signal(dialect, token, text))
                return None
            await self._save(standing, text, at)
            await self._session.execute(signals.make_due(dialect, standing.run_id, at))
            return standing

    async def consume(self, waiter: SignalWaiter, now: datetime, owner: str) -> StepCheckpoint | None:
        """`StateStore.consume_buffered_signal`."""
        check_waiter(waiter)
        check_identifier(owner, "owner")
        at = to_utc(now, "now")
        # Also where there is nothing to save yet: nobody may park on a token whose checkpoint could not be written.
        check_checkpoint(StepCheckpoint.of_signal(waiter, None, at))
        dialect = self._session.dialect
        async with self._session.transaction(read_committed=True):
            standing = await self._claim(waiter_row(waiter))
            if not await self._session.fetch(checkpoints.check_fence(dialect, waiter.run_id, owner)):
                raise LeaseLost(waiter.run_id, owner)
            if standing.run_id != waiter.run_id and await self._is_live(standing.run_id, lock=False):
                raise SignalTokenInUse(waiter.token, standing.run_id)
            delivered = await self._session.fetch(checkpoints.lock_checkpoint(dialect, waiter.run_id, waiter.seq))
            if delivered and delivered[0]["status"] == "completed":
                await self._session.execute(signals.delete_waiter(dialect, waiter.token))
                return self._rows.checkpoint(delivered[0])
            buffered = await self._take_oldest(waiter.token, wait=True)
            if buffered is not None:
                await self._session.execute(signals.delete_waiter(dialect, waiter.token))
                return await self._save(waiter, buffered["payload"], at)
            if standing != waiter:
                await self._session.execute(signals.put_waiter(dialect, waiter_row(waiter)))
            return None

    async def _claim(self, row: Mapping[str, Any]) -> SignalWaiter:
        """Who waits on the token, or *row* itself; nobody else can claim the token before this transaction ends."""
        dialect = self._session.dialect
        if dialect.has_returning:
            standing = await self._session.fetch(signals.claim_token_returning(dialect, row))
        else:
            await self._session.execute(signals.claim_token(dialect, row))
            standing = await self._session.fetch(signals.lock_waiter(dialect, row["token"]))
        return waiter_of_row(standing[0])

    async def _is_live(self, run_id: str, *, lock: bool) -> bool:
        found = await self._session.fetch(runs.status_of_run(self._session.dialect, run_id, lock=lock))
        return bool(found) and found[0]["status"] not in TERMINAL_STATUSES

    async def _save(self, waiter: SignalWaiter, text: str | None, at: datetime) -> StepCheckpoint:
        # The payload moves as the text that it is: one round trip through the codec, and damage stays visible.
        checkpoint = StepCheckpoint.of_signal(waiter, None, at)
        check_checkpoint(checkpoint)
        dialect = self._session.dialect
        row = {**self._rows.checkpoint_row(dialect, checkpoint), "output": text}
        await self._session.execute(checkpoints.save_checkpoint(dialect, row))
        return self._rows.checkpoint(row)

    async def _take_oldest(self, token: str, *, wait: bool) -> Row | None:
        dialect = self._session.dialect
        if dialect.has_returning:
            taken = await self._session.fetch(signals.take_signal_returning(dialect, token, wait=wait))
        else:
            async with self._session.transaction(read_committed=True):
                taken = await self._session.fetch(signals.lock_signal(dialect, token, wait=wait))
                if taken:
                    await self._session.execute(signals.delete_signal(dialect, taken[0]["id"]))
        return taken[0] if taken else None
