"""Checkpoints that are saved or listed wrong, and transactions that are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from durable_core.memory import InMemoryStateStore
from durable_core.records import StepCheckpoint
from durable_core.store import StoreTransaction
from mutants.registry import killed_by

__all__ = ["CheckpointsAsTheyCome", "NoRollback", "PrefixFoldsCase", "StaleColumns"]


@killed_by("CHECKPOINT-04")
class StaleColumns(InMemoryStateStore):
    """A second save keeps a column that it leaves out."""

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        old = await self.get_checkpoint(checkpoint.run_id, checkpoint.seq)
        if old is not None and checkpoint.wake_at_ms is None:
            checkpoint = replace(checkpoint, wake_at_ms=old.wake_at_ms)
        await super().save_checkpoint(checkpoint, owner=owner)


@killed_by("CHECKPOINT-05", "CHECKPOINT-12")
class CheckpointsAsTheyCome(InMemoryStateStore):
    """Checkpoints are listed in an order of the store's own."""

    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        return sorted(await super().list_checkpoints(run_id), key=lambda one: abs(one.seq))


@killed_by("NAME-03", "NAME-05")
class PrefixFoldsCase(InMemoryStateStore):
    """A prefix of names ignores case, as LIKE does."""

    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        found = [
            one
            for prefix in prefixes
            for one in await self.list_checkpoints(run_id)
            if one.name.lower().startswith(prefix.lower())
        ]
        return sorted(found, key=lambda one: one.seq)


@killed_by("TX-02", "DELIVER-10", "FENCE-05")
class NoRollback(InMemoryStateStore):
    """A transaction that fails has happened."""

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[Any]]) -> Any:
        class Bare:
            raw = None
            save_checkpoint = self.save_checkpoint

        return await work(Bare())
