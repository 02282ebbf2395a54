"""Runs that are created, patched, parked or ended wrong."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from durable_core.memory import InMemoryStateStore
from durable_core.records import UNSET, Guard, RunPatch, SignalWaiter, WorkflowRun
from mutants.registry import breathe, killed_by

__all__ = [
    "AttributesOutsideTheTransaction",
    "CreateOverwrites",
    "DeleteLeavesChildren",
    "EndLeavesWaiters",
    "GuardIgnored",
    "GuardLooksFirst",
    "PatchCountsChangedRows",
    "PatchCreates",
    "PatchIgnoresNone",
    "RunIdsFoldCase",
    "SharedRecords",
    "SuspendOverwritesWake",
]


@killed_by("RUN-04", "RUN-20")
class CreateOverwrites(InMemoryStateStore):
    """A second create replaces the run."""

    async def create_run(self, run: WorkflowRun) -> bool:
        if not await super().create_run(run):
            await super().delete_run(run.id)
            await super().create_run(run)
        return True


@killed_by("RUN-10")
class SharedRecords(InMemoryStateStore):
    """Readers of a run share one record."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, WorkflowRun | None] = {}

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        if self._read.get(run_id) is None:
            self._read[run_id] = await super().get_run(run_id)
        return self._read[run_id]


@killed_by("RUN-07", "RUN-09")
class DeleteLeavesChildren(InMemoryStateStore):
    """A delete removes the run's own row alone."""

    async def delete_run(self, run_id: str) -> None:
        self.tables.runs.remove(run_id)


@killed_by("PATCH-02", "PATCH-03")
class PatchIgnoresNone(InMemoryStateStore):
    """A patch takes None for nothing to write."""

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        kept = {one.name: value for one in fields(patch) if (value := getattr(patch, one.name)) is not None}
        return await super().update_run(run_id, RunPatch(**kept), expect=expect)


@killed_by("PATCH-07")
class PatchCountsChangedRows(InMemoryStateStore):
    """A patch believes the driver's count of rows that changed."""

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        before = await self.get_run(run_id)
        await super().update_run(run_id, patch, expect=expect)
        return before != await self.get_run(run_id)


@killed_by("PATCH-10", "PATCH-14", "PATCH-20", "END-04")
class GuardIgnored(InMemoryStateStore):
    """A guard is not looked at, save that the run is there."""

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        return await super().update_run(run_id, patch, expect=None if expect is None else Guard())

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await super().end_run(run_id, patch, expect=Guard())


@killed_by("PATCH-20")
class GuardLooksFirst(InMemoryStateStore):
    """The guard is checked in one transaction and the patch written in the next."""

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        if not await super().update_run(run_id, RunPatch(), expect=expect):
            return False
        breathe()
        return await super().update_run(run_id, patch)


@killed_by("SUSPEND-03", "SUSPEND-20")
class SuspendOverwritesWake(InMemoryStateStore):
    """Parking a run overwrites the instant that a signal has set."""

    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        if not await super().suspend_run(run_id, owner, wake_at_ms, now):
            return False
        return await self.update_run(run_id, RunPatch(wake_at_ms=wake_at_ms))


@killed_by("END-01", "END-06")
class EndLeavesWaiters(InMemoryStateStore):
    """The waiters of a run outlive it."""

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        return await self.update_run(run_id, patch, expect=expect)

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        waiter = await self.take_signal_waiter(token)
        if waiter is None:
            await self.buffer_signal(token, payload)
        return waiter


@killed_by("RUN-12")
class RunIdsFoldCase(InMemoryStateStore):
    """Runs whose ids differ in case are one, as in a collation that ignores it."""

    async def create_run(self, run: WorkflowRun) -> bool:
        return await super().create_run(replace(run, id=run.id.lower()))

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        return await super().get_run(run_id.lower())


@killed_by("RUN-05", "PATCH-16")
class AttributesOutsideTheTransaction(InMemoryStateStore):
    """Search attributes are written after their run has been committed."""

    async def create_run(self, run: WorkflowRun) -> bool:
        if not await super().create_run(replace(run, search_attributes=None)):
            return False
        await super().update_run(run.id, RunPatch(search_attributes=run.search_attributes))
        return True

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        if not await super().update_run(run_id, replace(patch, search_attributes=UNSET), expect=expect):
            return False
        await super().update_run(run_id, RunPatch(search_attributes=patch.search_attributes))
        return True


@killed_by("PATCH-08")
class PatchCreates(InMemoryStateStore):
    """A patch of a missing run is no error, as an UPDATE that meets no row."""

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        if expect is None and await self.get_run(run_id) is None:
            return True
        return await super().update_run(run_id, patch, expect=expect)
