"""Clauses on runs, leases and checkpoints kill the stores that break them.

The mutants are mistakes that real stores have made; the healthy store passes every clause in test_memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest

from durable_core.memory import InMemoryStateStore
from durable_core.records import (
    Guard,
    RunPatch,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)
from mutants import Mutants, breathe

MUTANTS = Mutants()


@MUTANTS.killed_by("FENCE-02", "FENCE-03", "FENCE-04", "FENCE-05", "FENCE-06")
class UnfencedCheckpoints(InMemoryStateStore):
    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await super().save_checkpoint(checkpoint)


@MUTANTS.killed_by("FENCE-20")
class FenceLooksFirst(InMemoryStateStore):
    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        run = await self.get_run(checkpoint.run_id)
        breathe()
        held = run is not None and run.locked_by == owner
        await super().save_checkpoint(checkpoint, owner=None if held else owner)


@MUTANTS.killed_by("LEASE-04", "LEASE-23")
class ReleasesAnybody(InMemoryStateStore):
    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        await super().release_run_lock(run_id)


@MUTANTS.killed_by("LEASE-08")
class ReentrantLease(InMemoryStateStore):
    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        if await self.renew_run_lock(run_id, owner, lease_until_ms):
            return True
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms, statuses=statuses)


@MUTANTS.killed_by("LEASE-20", "LEASE-21")
class LeaseLooksFirst(InMemoryStateStore):
    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        run = await self.get_run(run_id)
        if run is None or (run.locked_until_ms is not None and run.locked_until_ms > now_ms):
            return False
        breathe()
        return await self.update_run(run_id, RunPatch(locked_by=owner, locked_until_ms=lease_until_ms))


@MUTANTS.killed_by("LEASE-10")
class RenewalShortens(InMemoryStateStore):
    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        return await self.update_run(run_id, RunPatch(locked_until_ms=lease_until_ms), expect=Guard(owner=owner))


@MUTANTS.killed_by("LEASE-11", "LEASE-10")
class RenewalCountsChangedRows(InMemoryStateStore):
    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        before = await self.get_run(run_id)
        await super().renew_run_lock(run_id, owner, lease_until_ms)
        return before != await self.get_run(run_id)


@MUTANTS.killed_by("LEASE-15")
class RenewsManyWhoeverHoldsThem(InMemoryStateStore):
    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        for run_id, _ in locks:
            await self.update_run(run_id, RunPatch(locked_until_ms=lease_until_ms), expect=Guard())
        return set()


@MUTANTS.killed_by("LEASE-16")
class RenewingManyShortens(InMemoryStateStore):
    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        until = RunPatch(locked_until_ms=lease_until_ms)
        return {lock for lock in locks if not await self.update_run(lock[0], until, expect=Guard(owner=lock[1]))}


@MUTANTS.killed_by("LEASE-17")
class RenewsOneBatch(InMemoryStateStore):
    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        return await super().renew_run_locks(sorted(locks)[:200], lease_until_ms)


@MUTANTS.killed_by("RUN-04", "RUN-20")
class CreateOverwrites(InMemoryStateStore):
    async def create_run(self, run: WorkflowRun) -> bool:
        if not await super().create_run(run):
            await super().delete_run(run.id)
            await super().create_run(run)
        return True


@MUTANTS.killed_by("RUN-10")
class SharedRecords(InMemoryStateStore):
    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, WorkflowRun | None] = {}

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        if self._read.get(run_id) is None:
            self._read[run_id] = await super().get_run(run_id)
        return self._read[run_id]


@MUTANTS.killed_by("RUN-07", "RUN-09")
class DeleteLeavesChildren(InMemoryStateStore):
    async def delete_run(self, run_id: str) -> None:
        self.tables.runs.remove(run_id)


@MUTANTS.killed_by("PATCH-02", "PATCH-03")
class PatchIgnoresNone(InMemoryStateStore):
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        kept = {one.name: value for one in fields(patch) if (value := getattr(patch, one.name)) is not None}
        return await super().update_run(run_id, RunPatch(**kept), expect=expect)


@MUTANTS.killed_by("PATCH-07")
class PatchCountsChangedRows(InMemoryStateStore):
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        before = await self.get_run(run_id)
        await super().update_run(run_id, patch, expect=expect)
        return before != await self.get_run(run_id)


@MUTANTS.killed_by("PATCH-10", "PATCH-14", "PATCH-20", "END-04")
class GuardIgnored(InMemoryStateStore):
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        return await super().update_run(run_id, patch, expect=None if expect is None else Guard())

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await super().end_run(run_id, patch, expect=Guard())


@MUTANTS.killed_by("PATCH-20")
class GuardLooksFirst(InMemoryStateStore):
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        if not await super().update_run(run_id, RunPatch(), expect=expect):
            return False
        breathe()
        return await super().update_run(run_id, patch)


@MUTANTS.killed_by("SUSPEND-03", "SUSPEND-20")
class SuspendOverwritesWake(InMemoryStateStore):
    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        if not await super().suspend_run(run_id, owner, wake_at_ms, now):
            return False
        return await self.update_run(run_id, RunPatch(wake_at_ms=wake_at_ms))


@MUTANTS.killed_by("END-01", "END-06")
class EndLeavesWaiters(InMemoryStateStore):
    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await self.update_run(run_id, patch, expect=expect)

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        waiter = await self.take_signal_waiter(token)
        if waiter is None:
            await self.buffer_signal(token, payload)
        return waiter


@MUTANTS.killed_by("CHECKPOINT-04")
class StaleColumns(InMemoryStateStore):
    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        old = await self.get_checkpoint(checkpoint.run_id, checkpoint.seq)
        if old is not None and checkpoint.wake_at_ms is None:
            checkpoint = replace(checkpoint, wake_at_ms=old.wake_at_ms)
        await super().save_checkpoint(checkpoint, owner=owner)


@MUTANTS.killed_by("CHECKPOINT-05", "CHECKPOINT-12")
class CheckpointsAsTheyCome(InMemoryStateStore):
    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        return sorted(await super().list_checkpoints(run_id), key=lambda one: abs(one.seq))


@MUTANTS.killed_by("NAME-03", "NAME-05")
class PrefixFoldsCase(InMemoryStateStore):
    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        found = [
            one
            for prefix in prefixes
            for one in await self.list_checkpoints(run_id)
            if one.name.lower().startswith(prefix.lower())
        ]
        return sorted(found, key=lambda one: one.seq)


@pytest.mark.parametrize(("mutant", "clause"), MUTANTS.each())
def test_the_clause_kills_the_mutant(mutant: type[InMemoryStateStore], clause: str) -> None:
    MUTANTS.expect_death(mutant, clause)
