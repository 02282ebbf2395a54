"""Polls: filtered before the limit, oldest first, ties broken by id.

Not yet: EXPLAIN and time at 50,000 rows, which durable_sql asserts for its own statements.
"""

from __future__ import annotations

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import NOW_MS, a_full_run, a_run, at, ids
from durable_core.errors import InvalidValue
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES

__all__ = ["PollClauses"]

_STATUSES = (*LIVE_STATUSES, *TERMINAL_STATUSES)


class PollClauses(ClauseGroup):
    """list_incomplete_runs, list_pending_runs, list_due_timers."""

    @clause("POLL-01")
    async def test_incomplete_runs(self) -> None:
        for number, status in enumerate(_STATUSES):
            await self.store.create_run(a_run(f"{status}-new", status=status, updated_at=at(-number)))
            await self.store.create_run(a_run(f"{status}-old", status=status, updated_at=at(-1000)))
        expected = ["cancelling-old", "running-old", "cancelling-new", "running-new"]
        assert ids(await self.store.list_incomplete_runs()) == expected

    @clause("POLL-02")
    async def test_incomplete_runs_whose_lease_is_over(self) -> None:
        await self._create("a", status="running")
        await self._create("b", status="running", locked_by="w", locked_until_ms=NOW_MS)
        await self._create("c", status="running", locked_by="w", locked_until_ms=NOW_MS + 1)
        await self._create("d", status="cancelling", locked_by="w", locked_until_ms=NOW_MS - 1)
        assert ids(await self.store.list_incomplete_runs(lease_expired_ms=NOW_MS)) == ["a", "b", "d"]
        assert ids(await self.store.list_incomplete_runs(lease_expired_ms=NOW_MS, limit=2)) == ["a", "b"]
        assert ids(await self.store.list_incomplete_runs()) == ["a", "b", "c", "d"]

    @clause("POLL-03")
    async def test_pending_runs_are_first_in_first_out(self) -> None:
        for run_id, created in (("c", 0), ("d", -1), ("a", 0), ("b", 0), ("e", -1000)):
            await self._create(run_id, created_at=at(created), updated_at=at(-created))
        for status in _STATUSES[1:]:
            await self._create(f"not-{status}", status=status, created_at=at(-5000))
        for _ in range(2):
            assert ids(await self.store.list_pending_runs(10)) == ["e", "d", "a", "b", "c"]
            assert ids(await (await self.open()).list_pending_runs(3)) == ["e", "d", "a"]

    @clause("POLL-04")
    async def test_a_timer_is_due_at_its_millisecond(self) -> None:
        await self._create("r1", status="suspended", wake_at_ms=NOW_MS)
        assert await self.store.list_due_timers(NOW_MS - 1) == []
        assert ids(await self.store.list_due_timers(NOW_MS)) == ["r1"]
        assert ids(await self.store.list_due_timers(NOW_MS + 1)) == ["r1"]

    @clause("POLL-05")
    async def test_only_suspended_runs_have_timers(self) -> None:
        await self._create("never", status="suspended")
        for status in _STATUSES:
            await self._create(f"in-{status}", status=status, wake_at_ms=NOW_MS - 1)
        assert ids(await self.store.list_due_timers(NOW_MS)) == ["in-suspended"]

    @clause("POLL-06")
    async def test_due_timers_are_in_order(self) -> None:
        for number in range(40):
            await self._create(f"t{number * 7 % 40:02}", status="suspended", wake_at_ms=NOW_MS - number * 7 % 40 // 2)
        everything = [f"t{number:02}" for number in range(40)]
        expected = sorted(everything, key=lambda run_id: (-(int(run_id[1:]) // 2), run_id))
        assert ids(await self.store.list_due_timers(NOW_MS)) == expected
        assert ids(await self.store.list_due_timers(NOW_MS, limit=7)) == expected[:7]

    @clause("POLL-07")
    async def test_namespaces(self) -> None:
        for namespace, name in (("default", "d"), ("shop", "s"), ("", "e"), ("Shop", "S")):
            await self._create(f"{name}-p", namespace=namespace)
            await self._create(f"{name}-r", namespace=namespace, status="running")
            await self._create(f"{name}-t", namespace=namespace, status="suspended", wake_at_ms=NOW_MS)
            asked = namespace
            assert ids(await self.store.list_pending_runs(10, asked)) == [f"{name}-p"]
            assert ids(await self.store.list_incomplete_runs(asked)) == [f"{name}-r"]
            assert ids(await self.store.list_due_timers(NOW_MS, asked)) == [f"{name}-t"]
        assert len(await self.store.list_pending_runs(10)) == 4
        assert len(await self.store.list_incomplete_runs()) == 4
        assert len(await self.store.list_due_timers(NOW_MS)) == 4
        assert await self.store.list_pending_runs(10, "nowhere") == []

    @clause("POLL-08")
    async def test_limits_count_after_the_namespace(self) -> None:
        for number in range(6):
            namespace = "shop" if number > 2 else "default"
            await self._create(f"p{number}", namespace=namespace, created_at=at(number))
            await self._create(f"r{number}", namespace=namespace, status="running", updated_at=at(number))
            await self._create(f"t{number}", namespace=namespace, status="suspended", wake_at_ms=NOW_MS - 9 + number)
        assert ids(await self.store.list_pending_runs(2, "shop")) == ["p3", "p4"]
        assert ids(await self.store.list_incomplete_runs("shop", limit=2)) == ["r3", "r4"]
        assert ids(await self.store.list_due_timers(NOW_MS, "shop", limit=2)) == ["t3", "t4"]

    @clause("POLL-09")
    async def test_limits_of_polls(self) -> None:
        await self._create("p")
        await self._create("r", status="running")
        await self._create("t", status="suspended", wake_at_ms=NOW_MS)
        for limit, found in ((0, 0), (1, 1), (10_000, 1)):
            assert len(await self.store.list_pending_runs(limit)) == found
            assert len(await self.store.list_incomplete_runs(limit=limit)) == found
            assert len(await self.store.list_due_timers(NOW_MS, limit=limit)) == found
        for bad in (-1, 1.5, True):
            with pytest.raises(InvalidValue):
                await self.store.list_pending_runs(bad)  # type: ignore[arg-type]
            with pytest.raises(InvalidValue):
                await self.store.list_incomplete_runs(limit=bad)  # type: ignore[arg-type]
            with pytest.raises(InvalidValue):
                await self.store.list_due_timers(NOW_MS, limit=bad)  # type: ignore[arg-type]

    @clause("POLL-10")
    async def test_polls_list_whole_runs(self) -> None:
        for run_id, status in (("p", "pending"), ("r", "running"), ("t", "suspended")):
            await self.store.create_run(a_full_run(run_id, status=status, wake_at_ms=NOW_MS))
        assert await self.store.list_pending_runs(1) == [a_full_run("p", status="pending", wake_at_ms=NOW_MS)]
        assert await self.store.list_incomplete_runs() == [a_full_run("r", status="running", wake_at_ms=NOW_MS)]
        assert await self.store.list_due_timers(NOW_MS) == [a_full_run("t", status="suspended", wake_at_ms=NOW_MS)]

    @clause("POLL-11")
    async def test_polls_change_nothing(self) -> None:
        full = a_full_run(wake_at_ms=NOW_MS)
        await self.store.create_run(full)
        await self.store.list_incomplete_runs(lease_expired_ms=NOW_MS * 2)
        await self.store.list_pending_runs(5)
        await self.store.list_due_timers(NOW_MS)
        assert await self.store.get_run("r1") == full

    @clause("POLL-12")
    async def test_incomplete_runs_of_a_status(self) -> None:
        await self._create("a", status="cancelling", updated_at=at(-1))
        await self._create("b", status="running")
        assert ids(await self.store.list_incomplete_runs(statuses=("running",), limit=1)) == ["b"]
        assert ids(await self.store.list_incomplete_runs(statuses=("cancelling",), limit=9)) == ["a"]
        assert ids(await self.store.list_incomplete_runs(statuses=("running", "cancelling"), limit=9)) == ["a", "b"]
        assert ids(await self.store.list_incomplete_runs(statuses=())) == []

    async def _create(self, run_id: str, **changes: object) -> None:
        await self.store.create_run(a_run(run_id, **changes))
