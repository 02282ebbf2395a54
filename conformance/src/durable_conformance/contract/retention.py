"""Retention: ended runs go when they are too old or too many, and only those.

Not yet: pruners in several processes, and 50,000 violators.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import NOW_MS, a_checkpoint, a_run, a_waiter, at, ids
from durable_core.errors import InvalidValue
from durable_core.queries import AttributeFilter, RetentionPolicy, RunQuery
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES, Guard, RunPatch
from durable_core.store import StateStore

__all__ = ["RetentionClauses"]


class RetentionClauses(ClauseGroup):
    """prune_terminal_runs."""

    @clause("PRUNE-01")
    async def test_max_age(self) -> None:
        for age in (1001, 1000, 999):
            await self._ended(f"r{age}", -age, created_at=at(-5000 + age))
        assert await self._prune(max_age=1000) == 1
        assert await self._left() == ["r1000", "r999"]

    @clause("PRUNE-02")
    async def test_ages_in_every_form(self) -> None:
        week = 7 * 86_400_000
        for max_age in (week, "7 days", "7d", "1 week", timedelta(days=7)):
            await self._ended("gone", -week - 1)
            await self._ended("kept", -week)
            assert await self._prune(max_age=max_age) == 1, max_age
            assert await self._left() == ["kept"]
            await self.store.delete_run("kept")

    @clause("PRUNE-03")
    async def test_max_count(self) -> None:
        for run_id, updated in (("a", 0), ("b", -1), ("c", -1), ("d", -2), ("e", -1)):
            await self._ended(run_id, updated)
        assert await self._prune(max_count=3) == 2
        assert await self._left() == ["a", "c", "e"]
        assert await self._prune(max_count=3) == 0
        assert await self._prune(max_count=0) == 3
        assert await self._left() == []

    @clause("PRUNE-04")
    async def test_both_bounds(self) -> None:
        for number in range(6):
            await self._ended(f"r{number}", -100 * number)
        assert await self._prune(max_age=350, max_count=5) == 2
        assert await self._left() == ["r0", "r1", "r2", "r3"]
        assert await self._prune(max_age=350, max_count=2) == 2
        assert await self._left() == ["r0", "r1"]

    @clause("PRUNE-05")
    async def test_the_limit(self) -> None:
        for number in range(5):
            await self._ended(f"r{number}", -number)
        assert await self._prune(max_count=0, limit=0) == 0
        assert await self._prune(max_count=0, limit=2) == 2
        assert await self._left() == ["r0", "r1", "r2"]
        assert await self._prune(max_count=1, limit=1) == 1
        assert await self._left() == ["r0", "r1"]
        assert await self._prune(max_count=1, limit=9) == 1
        assert await self._prune(max_count=1, limit=9) == 0
        assert await self._left() == ["r0"]

    @clause("PRUNE-06")
    async def test_only_the_named_statuses(self) -> None:
        for status in (*LIVE_STATUSES, *TERMINAL_STATUSES):
            await self._ended(status, -10_000, status=status)
        assert await self._prune(statuses=("failed", "dead"), max_age=1) == 2
        assert await self._prune(statuses=("completed",), max_count=0) == 1
        assert await self._left() == sorted((*LIVE_STATUSES, "cancelled"))
        assert await self._prune(statuses=(), max_count=0) == 0

    @clause("PRUNE-07")
    async def test_all_of_a_run_goes(self) -> None:
        for run_id, updated in (("old", -2000), ("new", 0)):
            await self._ended(run_id, updated, search_attributes={"n": 1})
            await self.store.save_checkpoint(a_checkpoint(0, run_id))
            await self.store.put_signal_waiter(a_waiter(f"tok:{run_id}", run_id))
            await self.store.buffer_signal(f"child:{run_id}", run_id)
        assert await self._prune(max_age=1000) == 1
        assert await self.store.list_checkpoints("old") == []
        assert await self.store.take_buffered_signal("child:old") is None
        await self.store.create_run(a_run("old"))
        n = RunQuery(attributes=(AttributeFilter(key="n", op="eq", value=1),))
        assert ids(await self.store.list_runs(n)) == ["new"]
        assert [one.token for one in await self.store.list_signal_waiters("")] == ["tok:new"]
        assert len(await self.store.list_checkpoints("new")) == 1
        assert await self.store.take_buffered_signal("child:new") is not None

    @clause("PRUNE-08")
    async def test_leased_runs_stay(self) -> None:
        await self._ended("live", -9000, locked_by="w1", locked_until_ms=NOW_MS + 1)
        await self._ended("over", -9000, locked_by="w1", locked_until_ms=NOW_MS)
        await self._ended("free", -9000)
        assert await self._prune(max_age=1) == 2
        assert await self._prune(max_count=0) == 0
        assert await self._left() == ["live"]

    @clause("PRUNE-09")
    async def test_bad_policies(self) -> None:
        await self._ended("r1", -9000)
        bad: list[dict[str, Any]] = [
            {},
            {"max_count": -1},
            {"max_count": 1.5},
            {"max_age": -1},
            {"max_age": "1 month"},
            {"max_age": "soon"},
            {"max_age": timedelta(-1)},
            {"max_age": 1, "limit": -1},
            *({"max_count": 0, "statuses": ("completed", live)} for live in (*LIVE_STATUSES, "Completed", "")),
        ]
        for policy in bad:
            with pytest.raises(InvalidValue):
                await self._prune(**policy)
        assert await self._left() == ["r1"]

    @clause("PRUNE-20")
    async def test_pruners_at_once(self) -> None:
        policy = RetentionPolicy(statuses=("completed",), max_count=2)
        async with self.racers(3) as crew:
            for turn in crew.rounds(20):
                for number in range(10):
                    await self._ended(f"r{turn}-{number}", number)
                counts = await crew.together(lambda store, _number: _drain(store, policy))
                left = await self._left()
                assert sum(counts) == 10 - len(left)
                # Pruners may pass over what another one has locked, so that a last sweep finds something to do.
                assert await _drain(self.store, policy) == len(left) - 2
                assert await self._left() == [f"r{turn}-8", f"r{turn}-9"]
                for run_id in await self._left():
                    await self.store.delete_run(run_id)

    @clause("PRUNE-21")
    async def test_pruning_against_requeueing(self) -> None:
        policy = RetentionPolicy(statuses=("failed",), max_count=0)
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self._ended(run_id, -10, status="failed", search_attributes={"turn": turn})
                await self.store.save_checkpoint(a_checkpoint(0, run_id))

                async def act(store: StateStore, number: int, run_id: str = run_id) -> int:
                    if number:
                        return await store.prune_terminal_runs(policy, NOW_MS, 9)
                    return await store.update_run(
                        run_id, RunPatch(status="pending"), expect=Guard(statuses=("failed",))
                    )

                requeued, pruned = await crew.together(act)
                assert (requeued, pruned) in ((True, 0), (False, 1))
                run, kept = await self.store.get_run(run_id), await self.store.list_checkpoints(run_id)
                assert (run is not None, len(kept)) == (requeued, requeued)

    async def _ended(self, run_id: str, updated: int, **changes: Any) -> None:
        ended: dict[str, Any] = {"status": "completed", "updated_at": at(updated)}
        await self.store.create_run(a_run(run_id, **ended | changes))

    async def _prune(self, *, limit: int = 100, statuses: tuple[str, ...] = TERMINAL_STATUSES, **bounds: Any) -> int:
        return await self.store.prune_terminal_runs(RetentionPolicy(statuses=statuses, **bounds), NOW_MS, limit)

    async def _left(self) -> list[str]:
        return sorted(ids(await self.store.list_runs(RunQuery())))


async def _drain(store: StateStore, policy: RetentionPolicy) -> int:
    total = 0
    while count := await store.prune_terminal_runs(policy, NOW_MS, 3):
        total += count
    return total
