"""Fences: a write under an owner happens only while that owner holds the run.

The holder that is stopped or killed in another process: process_deaths.
"""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import LEASE_MS, NOW_MS, a_checkpoint, a_full_checkpoint, a_run
from durable_core.errors import LeaseLost
from durable_core.records import RunPatch, StepCheckpoint
from durable_core.store import StateStore, StoreTransaction

__all__ = ["FenceClauses"]


class FenceClauses(ClauseGroup):
    """save_checkpoint with an owner."""

    @clause("FENCE-01")
    async def test_the_holder_writes(self) -> None:
        await self._held_by("w1")
        await self.store.save_checkpoint(a_full_checkpoint(), owner="w1")
        assert await self.store.get_checkpoint("r1", 0) == a_full_checkpoint()
        await self.store.save_checkpoint(a_checkpoint(), owner="w1")
        assert await self.store.get_checkpoint("r1", 0) == a_checkpoint()

    @clause("FENCE-02")
    async def test_a_stranger_writes_nothing(self) -> None:
        await self._held_by("w1")
        await self.store.create_run(a_run("free", status="running"))
        await self.store.save_checkpoint(a_full_checkpoint())
        strangers = (("r1", "w2"), ("r1", "W1"), ("r1", "w"), ("free", "w1"), ("missing", "w1"))
        for run_id, owner in strangers:
            for seq in (0, 1):
                with pytest.raises(LeaseLost) as caught:
                    await self.store.save_checkpoint(a_checkpoint(seq, run_id), owner=owner)
                assert (caught.value.run_id, caught.value.owner) == (run_id, owner)
        assert await self.store.list_checkpoints("r1") == [a_full_checkpoint()]
        for run_id in ("free", "missing"):
            assert await self.store.list_checkpoints(run_id) == []

    @clause("FENCE-03")
    async def test_equal_values_are_told_apart_from_a_lost_lease(self) -> None:
        await self._held_by("w1")
        for _ in range(3):
            await self.store.save_checkpoint(a_full_checkpoint(), owner="w1")
        with pytest.raises(LeaseLost):
            await self.store.save_checkpoint(a_full_checkpoint(), owner="w2")
        await self.store.release_run_lock("r1", "w1")
        with pytest.raises(LeaseLost):
            await self.store.save_checkpoint(a_full_checkpoint(), owner="w1")

    @clause("FENCE-04")
    async def test_a_takeover_shuts_the_old_owner_out(self) -> None:
        await self._held_by("w1", until_ms=NOW_MS - 10)
        await self.store.save_checkpoint(a_checkpoint(), owner="w1")
        assert await (await self.open()).try_lock_run("r1", "w2", LEASE_MS, NOW_MS) is True
        with pytest.raises(LeaseLost):
            await self.store.save_checkpoint(a_full_checkpoint(), owner="w1")
        await self.store.save_checkpoint(a_checkpoint(1), owner="w2")
        assert await self.store.list_checkpoints("r1") == [a_checkpoint(0), a_checkpoint(1)]

    @clause("FENCE-05")
    async def test_a_lost_lease_rolls_the_transaction_back(self) -> None:
        await self._held_by("w1")

        async def work(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint(0))
            await tx.save_checkpoint(a_checkpoint(1), owner="w1")
            await tx.save_checkpoint(a_checkpoint(2), owner="w2")

        with pytest.raises(LeaseLost):
            await self.store.transaction(work)
        assert await self.store.list_checkpoints("r1") == []

    @clause("FENCE-06")
    async def test_a_patched_lease_is_lost(self) -> None:
        await self._held_by("w1")
        await self.store.update_run("r1", RunPatch(status="cancelled", locked_by=None, locked_until_ms=None))
        with pytest.raises(LeaseLost):
            await self.store.save_checkpoint(a_checkpoint(), owner="w1")
        assert await self.store.list_checkpoints("r1") == []

    @clause("FENCE-20")
    async def test_nothing_is_written_after_a_takeover(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self._held_by("w1", run_id, until_ms=NOW_MS)

                async def act(store: StateStore, number: int, run_id: str = run_id) -> Any:
                    if number:
                        assert await store.try_lock_run(run_id, "w2", LEASE_MS, NOW_MS) is True
                        return await store.list_checkpoints(run_id)
                    return await _saved(store, a_checkpoint(0, run_id), "w1")

                saved, seen = await crew.together(act)
                assert seen == await self.store.list_checkpoints(run_id), "written after the takeover"
                assert seen == ([a_checkpoint(0, run_id)] if saved else [])

    async def _held_by(self, owner: str, run_id: str = "r1", until_ms: int = LEASE_MS) -> None:
        await self.store.create_run(a_run(run_id, status="running", locked_by=owner, locked_until_ms=until_ms))


async def _saved(store: StateStore, checkpoint: StepCheckpoint, owner: str) -> bool:
    try:
        await store.save_checkpoint(checkpoint, owner=owner)
    except LeaseLost:
        return False
    return True
