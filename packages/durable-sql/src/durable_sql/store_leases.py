"""Leases on single runs: lock, renew, release."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from durable_core.instants import from_ms
from durable_core.records import Guard
from durable_core.validation import check_identifier
from durable_sql.session import Row, Session
from durable_sql.statements import leases, runs
from durable_sql.statements.leases import RunLock
from durable_sql.store_matching import matched

__all__ = ["Leases"]

#: How many leases one statement renews: two parameters each, far below what any driver takes.
_BATCH: Final = 200


class Leases:
    """Who holds which run, and until when."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def try_lock(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, statuses: Sequence[str] | None
    ) -> bool:
        """`StateStore.try_lock_run`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        from_ms(now_ms, "now_ms")
        dialect = self._session.dialect
        wanted = Guard(statuses=None if statuses is None else tuple(statuses), lease_expired_ms=now_ms)
        lock = leases.lock_run(dialect, run_id, owner, lease_until_ms, now_ms, wanted.statuses)
        return await matched(self._session, lock, runs.check_guard(dialect, run_id, wanted, lock=True))

    async def renew(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        """`StateStore.renew_run_lock`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        dialect = self._session.dialect
        renew = leases.renew_run(dialect, run_id, owner, lease_until_ms)
        return await matched(self._session, renew, runs.check_guard(dialect, run_id, Guard(owner=owner), lock=True))

    async def renew_all(self, locks: Collection[RunLock], lease_until_ms: int) -> set[RunLock]:
        """`StateStore.renew_run_locks`."""
        for run_id, owner in locks:
            check_identifier(run_id, "run id")
            check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        asked = sorted(set(locks))
        batches = [asked[start : start + _BATCH] for start in range(0, len(asked), _BATCH)]
        return {lost for batch in batches for lost in await self._renew_batch(batch, lease_until_ms)}

    async def _renew_batch(self, locks: Sequence[RunLock], lease_until_ms: int) -> set[RunLock]:
        dialect = self._session.dialect
        if dialect.has_returning:
            rows = await self._session.fetch(leases.renew_returning(dialect, locks, lease_until_ms))
        else:
            async with self._session.transaction(read_committed=True):
                rows = await self._session.fetch(leases.lock_held(dialect, locks))
                if rows:
                    renew = leases.renew_locked(dialect, [row["id"] for row in rows], lease_until_ms)
                    await self._session.execute(renew)
        others = set(locks) - set(map(_lock, rows))
        if not others:
            return others
        # Somebody else's by now, or only being written to: what is committed tells.
        standing = await self._session.fetch(leases.list_held(dialect, sorted(others)))
        return others - set(map(_lock, standing))

    async def release(self, run_id: str, owner: str | None) -> None:
        """`StateStore.release_run_lock`."""
        check_identifier(run_id, "run id")
        if owner is not None:
            check_identifier(owner, "owner")
        await self._session.execute(leases.release_run(self._session.dialect, run_id, owner))


def _lock(row: Row) -> RunLock:
    return row["id"], row["locked_by"]
