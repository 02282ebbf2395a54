"""Leases on single runs: lock, renew, release."""

from __future__ import annotations

from collections.abc import Sequence

from durable_core.instants import from_ms
from durable_core.records import Guard
from durable_core.validation import check_identifier
from durable_sql.session import Session
from durable_sql.statements import leases, runs
from durable_sql.store_matching import matched

__all__ = ["Leases"]


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

    async def release(self, run_id: str, owner: str | None) -> None:
        """`StateStore.release_run_lock`."""
        check_identifier(run_id, "run id")
        if owner is not None:
            check_identifier(owner, "owner")
        await self._session.execute(leases.release_run(self._session.dialect, run_id, owner))
