"""Leases and fences that let somebody through."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from durable_core.memory import InMemoryStateStore
from durable_core.records import Guard, RunPatch, StepCheckpoint
from mutants.registry import breathe, killed_by

__all__ = [
    "FenceLooksFirst",
    "LeaseByOwnClock",
    "LeaseLooksFirst",
    "LeasesEndedRuns",
    "ReentrantLease",
    "ReleasesAnybody",
    "RenewalCountsChangedRows",
    "RenewalShortens",
    "RenewingManyShortens",
    "RenewsManyWhoeverHoldsThem",
    "RenewsOneBatch",
    "UnfencedCheckpoints",
]


@killed_by("FENCE-02", "FENCE-03", "FENCE-04", "FENCE-05", "FENCE-06")
class UnfencedCheckpoints(InMemoryStateStore):
    """A checkpoint is written whoever holds the run."""

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await super().save_checkpoint(checkpoint)


@killed_by("FENCE-20")
class FenceLooksFirst(InMemoryStateStore):
    """The fence is checked in one transaction and the checkpoint written in the next."""

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        run = await self.get_run(checkpoint.run_id)
        breathe()
        held = run is not None and run.locked_by == owner
        await super().save_checkpoint(checkpoint, owner=None if held else owner)


@killed_by("LEASE-04", "LEASE-23")
class ReleasesAnybody(InMemoryStateStore):
    """A release frees the run whoever holds it."""

    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        await super().release_run_lock(run_id)


@killed_by("LEASE-08")
class ReentrantLease(InMemoryStateStore):
    """Whoever holds a run may lease it again."""

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        if await self.renew_run_lock(run_id, owner, lease_until_ms):
            return True
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms, statuses=statuses)


@killed_by("LEASE-20", "LEASE-21")
class LeaseLooksFirst(InMemoryStateStore):
    """A lease is read, found free and then written, in two transactions."""

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        run = await self.get_run(run_id)
        if run is None or (run.locked_until_ms is not None and run.locked_until_ms > now_ms):
            return False
        breathe()
        return await self.update_run(run_id, RunPatch(locked_by=owner, locked_until_ms=lease_until_ms))


@killed_by("LEASE-10")
class RenewalShortens(InMemoryStateStore):
    """A renewal sets the end of the lease, be it earlier."""

    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        return await self.update_run(run_id, RunPatch(locked_until_ms=lease_until_ms), expect=Guard(owner=owner))


@killed_by("LEASE-11", "LEASE-10")
class RenewalCountsChangedRows(InMemoryStateStore):
    """A renewal believes the driver's count of rows that changed."""

    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        before = await self.get_run(run_id)
        await super().renew_run_lock(run_id, owner, lease_until_ms)
        return before != await self.get_run(run_id)


@killed_by("LEASE-15")
class RenewsManyWhoeverHoldsThem(InMemoryStateStore):
    """Renewing many does not ask who holds them."""

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        for run_id, _ in locks:
            await self.update_run(run_id, RunPatch(locked_until_ms=lease_until_ms), expect=Guard())
        return set()


@killed_by("LEASE-16")
class RenewingManyShortens(InMemoryStateStore):
    """Renewing many sets the end of each lease, be it earlier."""

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        until = RunPatch(locked_until_ms=lease_until_ms)
        return {lock for lock in locks if not await self.update_run(lock[0], until, expect=Guard(owner=lock[1]))}


@killed_by("LEASE-17")
class RenewsOneBatch(InMemoryStateStore):
    """Renewing many stops after what fits into one statement."""

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        return await super().renew_run_locks(sorted(locks)[:200], lease_until_ms)


@killed_by("LEASE-02", "LEASE-03")
class LeaseByOwnClock(InMemoryStateStore):
    """Whether a lease is over is asked of a clock of the store's own, which goes ten minutes fast."""

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms + 600_000, statuses=statuses)


@killed_by("LEASE-13")
class LeasesEndedRuns(InMemoryStateStore):
    """A lease does not ask for the run's status."""

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms)
