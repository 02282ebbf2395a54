"""Stores on a SQLite file that are right in one process and wrong in several, each by one fault."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import peewee

from backends import Backends
from database_servers import BackendAddress
from durable_conformance import Elsewhere
from durable_core.records import BufferedSignal, Guard, RunPatch, SignalWaiter, StepCheckpoint, WorkflowRun
from durable_core.store import StoreTransaction
from durable_peewee import PeeweeStateStore
from durable_sql.dialect import SQLITE
from durable_sql.schema.ddl import ddl
from peewee_databases import open_peewee
from peewee_harness import PeeweeHarness

__all__ = ["MUTANTS", "MutantHarness"]


class LeaseLooksFirst(PeeweeStateStore):
    async def try_lock_run(self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, **_statuses: Any) -> bool:
        run = await self.get_run(run_id)
        if run is None or (run.locked_until_ms is not None and run.locked_until_ms > now_ms):
            return False
        _pause()
        return await self.update_run(run_id, RunPatch(locked_by=owner, locked_until_ms=lease_until_ms))


class ClaimLooksFirst(PeeweeStateStore):
    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        pending = await self.list_pending_runs(limit, namespace)
        _pause()
        for run in pending:
            await self.update_run(run.id, RunPatch(status="running", locked_by=owner, locked_until_ms=lease_until_ms))
        return pending


class CreateOverwrites(PeeweeStateStore):
    async def create_run(self, run: WorkflowRun) -> bool:
        if not await super().create_run(run):
            await self.update_run(run.id, RunPatch(input=run.input))
        return True


class TakeLooksFirst(PeeweeStateStore):
    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        waiter = next((one for one in await self.list_signal_waiters(token) if one.token == token), None)
        _pause()
        if waiter is not None:
            await self.remove_signal_waiter(waiter)
        return waiter


class PayloadsAreTakenTwice(PeeweeStateStore):
    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        taken = await super().take_buffered_signal(token)
        if taken is not None and taken.payload == 30:
            await self.buffer_signal(token, 99)
        return taken


class GuardLooksFirst(PeeweeStateStore):
    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        if not await self.update_run(run_id, RunPatch(), expect=expect):
            return False
        _pause()
        return await super().end_run(run_id, patch, expect=Guard())


class PatchWritesTheWholeRow(PeeweeStateStore):
    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        run = await self.get_run(run_id)
        _pause()
        if run is None:
            return await super().update_run(run_id, patch, expect=expect)
        row = {"input": run.input, "output": run.output, "priority": run.priority, "origin": run.origin}
        return await super().update_run(run_id, RunPatch(**row | patch.changes()), expect=expect)


class DeliveryInTwoSteps(PeeweeStateStore):
    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        waiter = await self.take_signal_waiter(token)
        if waiter is None:
            _pause()
            await self.buffer_signal(token, payload)
            return None
        await self.save_checkpoint(StepCheckpoint.of_signal(waiter, payload, now))
        _pause()
        await self.update_run(waiter.run_id, RunPatch(wake_at_ms=round(now.timestamp() * 1000)))
        return waiter


class NoTransaction(PeeweeStateStore):
    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[Any]]) -> Any:
        class Bare:
            raw = None
            save_checkpoint = self.save_checkpoint

        return await work(Bare())


class Unfenced(PeeweeStateStore):
    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        await super().save_checkpoint(checkpoint)


class LeaseEndsWithItsProcess(PeeweeStateStore):
    async def try_lock_run(self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, **statuses: Any) -> bool:
        await self.release_run_lock(run_id)
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms, **statuses)


class ClockOfItsOwn(PeeweeStateStore):
    async def try_lock_run(self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, **statuses: Any) -> bool:
        return await super().try_lock_run(run_id, owner, lease_until_ms, now_ms + 600_000, **statuses)


class BootLooksFirst(PeeweeStateStore):
    def __init__(self, db: peewee.Database) -> None:
        super().__init__(db)
        self._db = db

    async def ensure_schema(self) -> None:
        if not self._db.table_exists("durable_workflow_runs"):
            _pause()
            for statement in ddl(SQLITE):
                self._db.execute_sql(statement.replace(" IF NOT EXISTS", ""))
        await super().ensure_schema()


MUTANTS: dict[type[PeeweeStateStore], tuple[str, ...]] = {
    LeaseLooksFirst: ("PROC-20",),
    ClaimLooksFirst: ("PROC-21",),
    CreateOverwrites: ("PROC-22",),
    TakeLooksFirst: ("PROC-23",),
    PayloadsAreTakenTwice: ("PROC-24",),
    GuardLooksFirst: ("PROC-25",),
    PatchWritesTheWholeRow: ("PROC-26",),
    DeliveryInTwoSteps: ("PROC-27", "KILL-03"),
    NoTransaction: ("KILL-02", "KILL-04"),
    Unfenced: ("ZOMBIE-01",),
    LeaseEndsWithItsProcess: ("KILL-01",),
    ClockOfItsOwn: ("SKEW-01",),
    BootLooksFirst: ("BOOT-20",),
}


class MutantHarness(PeeweeHarness):
    """A mutant here and in every other process; None is the healthy store."""

    def __init__(self, mutant: type[PeeweeStateStore] | None, databases: Backends, folder: Path) -> None:
        super().__init__("sqlite")
        self._mutant = mutant
        self.place(databases, folder)

    def open(self) -> PeeweeStateStore:
        assert self._address is not None
        return _open(self._mutant, self._address)

    def elsewhere(self) -> Elsewhere | None:
        if self._mutant is None:
            return super().elsewhere()
        assert self._address is not None
        return Elsewhere(_open_elsewhere, json.dumps([self._mutant.__name__, self._address.to_json()]))


def _pause() -> None:
    """A careless store's way back to its database, long enough for another process to get in between."""
    time.sleep(0.01)


def _open_elsewhere(argument: str) -> PeeweeStateStore:
    name, address = json.loads(argument)
    return _open(next(one for one in MUTANTS if one.__name__ == name), BackendAddress.from_json(address))


def _open(mutant: type[PeeweeStateStore] | None, address: BackendAddress) -> PeeweeStateStore:
    return (mutant or PeeweeStateStore)(open_peewee(address))
