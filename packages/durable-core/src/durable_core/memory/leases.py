"""Leases on single runs: lock, renew, release."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from durable_core.instants import from_ms
from durable_core.memory.tables import Tables
from durable_core.validation import check_identifier

__all__ = ["Leases"]


class Leases:
    """Who holds which run, and until when."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def try_lock(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, statuses: Sequence[str] | None
    ) -> bool:
        """`StateStore.try_lock_run`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        from_ms(now_ms, "now_ms")
        row = self._tables.runs.get(run_id)
        if row is None or not row.is_free(now_ms) or (statuses is not None and row.status not in statuses):
            return False
        self._tables.runs.put(replace(row, locked_by=owner, locked_until_ms=lease_until_ms))
        return True

    def renew(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        """`StateStore.renew_run_lock`."""
        check_identifier(run_id, "run id")
        check_identifier(owner, "owner")
        from_ms(lease_until_ms, "lease_until_ms")
        row = self._tables.runs.get(run_id)
        if row is None or row.locked_by != owner:
            return False
        if row.locked_until_ms is None or row.locked_until_ms < lease_until_ms:
            self._tables.runs.put(replace(row, locked_until_ms=lease_until_ms))
        return True

    def renew_all(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        """`StateStore.renew_run_locks`."""
        return {lock for lock in locks if not self.renew(*lock, lease_until_ms)}

    def release(self, run_id: str, owner: str | None) -> None:
        """`StateStore.release_run_lock`."""
        check_identifier(run_id, "run id")
        if owner is not None:
            check_identifier(owner, "owner")
        row = self._tables.runs.get(run_id)
        if row is not None and (owner is None or row.locked_by == owner):
            self._tables.runs.put(replace(row, locked_by=None, locked_until_ms=None))
