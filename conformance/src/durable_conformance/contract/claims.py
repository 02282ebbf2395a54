"""Claims: runs taken in bulk, each by exactly one caller.

Claims between processes: process_races. A claimer that dies: process_deaths.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import LEASE_MS, NOW, NOW_MS, a_full_run, a_run, at, but, ids
from durable_core.errors import InvalidValue
from durable_core.queries import RunQuery
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES, RunPatch, WorkflowRun
from durable_core.store import StateStore, StoreTransaction

__all__ = ["ClaimClauses"]

_PATIENCE_S: Final = 60.0
_STATUSES = (*LIVE_STATUSES, *TERMINAL_STATUSES)


class ClaimClauses(ClauseGroup):
    """claim_runs, claim_due_runs."""

    @clause("CLAIM-01")
    async def test_a_claimed_run(self) -> None:
        for run_id in ("r1", "r2"):
            await self.store.create_run(
                a_full_run(run_id, status="pending", locked_by=None, locked_until_ms=None, wake_at_ms=NOW_MS)
            )
        claimed = await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 1)
        assert len(claimed) == 1
        assert await self.store.get_run("r1") == claimed[0]
        expected = a_full_run(locked_by="w1", locked_until_ms=LEASE_MS, wake_at_ms=None)
        assert but(claimed[0], updated_at=expected.updated_at) == expected
        untouched = await self.store.get_run("r2")
        assert untouched is not None
        assert (untouched.status, untouched.locked_by) == ("pending", None)

    @clause("CLAIM-02")
    async def test_claims_are_first_in_first_out(self) -> None:
        for run_id, created in (("c", 0), ("d", -1), ("a", 0), ("b", 0), ("e", -1000)):
            await self.store.create_run(a_run(run_id, created_at=at(created)))
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 2)) == ["e", "d"]
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 10)) == ["a", "b", "c"]
        assert await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 10) == []

    @clause("CLAIM-03")
    async def test_only_pending_runs_of_the_namespace(self) -> None:
        for status in _STATUSES[1:]:
            await self.store.create_run(a_run(status, status=status, wake_at_ms=NOW_MS))
        for namespace in ("shop", "Shop", "", "default"):
            await self.store.create_run(a_run(f"in-{namespace}", namespace=namespace))
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 10, "shop")) == ["in-shop"]
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 10, "")) == ["in-"]
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 10)) == ["in-Shop", "in-default"]

    @clause("CLAIM-04")
    async def test_limits_of_claims(self) -> None:
        for number in range(6):
            await self.store.create_run(
                a_run(f"r{number}", namespace="shop" if number > 2 else None, created_at=at(number))
            )
        for bad in (-1, 1.5):
            with pytest.raises(InvalidValue):
                await self.store.claim_runs("w1", LEASE_MS, NOW_MS, bad)  # type: ignore[arg-type]
            with pytest.raises(InvalidValue):
                await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, bad)  # type: ignore[arg-type]
        assert await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 0) == []
        assert len(await self.store.list_pending_runs(10)) == 6
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 2, "shop")) == ["r3", "r4"]

    @clause("CLAIM-05")
    async def test_due_runs_are_claimed(self) -> None:
        due = (("d", "suspended", 0), ("a", "blocked", 0), ("c", "suspended", -5), ("b", "blocked", -5))
        for run_id, status, wake in due:
            await self.store.create_run(a_run(run_id, status=status, wake_at_ms=NOW_MS + wake))
        await self.store.create_run(a_run("later", status="suspended", wake_at_ms=NOW_MS + 1))
        await self.store.create_run(a_run("never", status="suspended"))
        assert ids(await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 3)) == ["b", "c", "a"]
        claimed = await self.store.claim_due_runs("w2", LEASE_MS, NOW_MS, 3)
        assert ids(claimed) == ["d"]
        assert await self.store.get_run("d") == claimed[0]
        assert (claimed[0].status, claimed[0].locked_by, claimed[0].locked_until_ms) == ("running", "w2", LEASE_MS)
        assert claimed[0].wake_at_ms is None
        assert ids(await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS + 1, 10)) == ["later"]

    @clause("CLAIM-06")
    async def test_only_parked_runs_of_the_namespace(self) -> None:
        for status in _STATUSES:
            for namespace in ("shop", "Shop"):
                await self.store.create_run(
                    a_run(f"{status}-{namespace}", status=status, namespace=namespace, wake_at_ms=NOW_MS)
                )
        claimed = await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 100, "shop")
        assert ids(claimed) == ["blocked-shop", "suspended-shop"]
        assert ids(await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 100)) == ["blocked-Shop", "suspended-Shop"]

    @clause("CLAIM-07")
    async def test_a_claim_leaves_the_rest(self) -> None:
        before = a_full_run(status="suspended", locked_by=None, locked_until_ms=None, wake_at_ms=NOW_MS)
        await self.store.create_run(before)
        (claimed,) = await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 5)
        after = but(before, status="running", locked_by="w1", locked_until_ms=LEASE_MS, wake_at_ms=None)
        assert but(claimed, updated_at=before.updated_at) == after

    @clause("CLAIM-08")
    async def test_a_claim_is_a_lease(self) -> None:
        await self.store.create_run(a_run())
        await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 1)
        assert await self.store.try_lock_run("r1", "w2", LEASE_MS, NOW_MS) is False
        assert await self.store.renew_run_lock("r1", "w2", LEASE_MS) is False
        assert await self.store.renew_run_lock("r1", "w1", LEASE_MS) is True
        assert await self.store.suspend_run("r1", "w2", NOW_MS, NOW) is False
        assert await self.store.suspend_run("r1", "w1", NOW_MS, NOW) is True

    @clause("CLAIM-09", needs=(Need.ROW_LOCKS,))
    async def test_locked_rows_are_skipped(self) -> None:
        for number in range(4):
            await self.store.create_run(a_run(f"p{number}", created_at=at(number)))
            await self.store.create_run(a_run(f"s{number}", status="suspended", wake_at_ms=NOW_MS - 9 + number))
        other = await self.open()

        async def hold(_tx: StoreTransaction) -> tuple[list[WorkflowRun], list[WorkflowRun]]:
            for run_id in ("p0", "s1"):
                await self.store.update_run(run_id, RunPatch(priority=1))
            return (
                await other.claim_runs("w2", LEASE_MS, NOW_MS, 2),
                await other.claim_due_runs("w2", LEASE_MS, NOW_MS, 2),
            )

        pending, due = await self.store.transaction(hold)
        assert ids(pending) == ["p1", "p2"]
        assert ids(due) == ["s0", "s2"]

    @clause("CLAIM-10")
    async def test_held_runs_are_not_claimed(self) -> None:
        for status in ("pending", "suspended", "blocked"):
            for until_ms in (NOW_MS, NOW_MS + 1):
                run_id = f"{status}-{until_ms - NOW_MS}"
                await self.store.create_run(
                    a_run(run_id, status=status, wake_at_ms=NOW_MS, locked_by="w0", locked_until_ms=until_ms)
                )
        assert ids(await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 9)) == ["pending-0"]
        assert ids(await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 9)) == ["blocked-0", "suspended-0"]
        for status in ("pending", "suspended", "blocked"):
            held = await self.store.get_run(f"{status}-1")
            assert held is not None
            assert (held.status, held.locked_by) == (status, "w0")

    @clause("CLAIM-20")
    async def test_claimers_share_the_pending_runs(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                everything = [f"{turn:02}-{number}" for number in range(8)]
                for run_id in everything:
                    await self.store.create_run(a_run(run_id))
                got = await crew.together(_claim_all)
                assert sorted(run_id for one in got for run_id in one) == everything
                for number, one in enumerate(got):
                    for run_id in one:
                        run = await self.store.get_run(run_id)
                        assert run is not None
                        assert (run.status, run.locked_by) == ("running", f"w{number}")

    @clause("CLAIM-21")
    async def test_claimers_share_the_due_runs(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                everything = [f"{turn:02}-{number}" for number in range(8)]
                for number, run_id in enumerate(everything):
                    status = "blocked" if number % 2 else "suspended"
                    await self.store.create_run(a_run(run_id, status=status, wake_at_ms=NOW_MS - number // 2))
                got = await crew.together(_claim_all_due)
                assert sorted(run_id for one in got for run_id in one) == everything


async def _claim_all(store: StateStore, number: int) -> list[str]:
    return await _claim_until_none_are_left(
        lambda: store.claim_runs(f"w{number}", LEASE_MS, NOW_MS, 3), lambda: store.list_pending_runs(1)
    )


async def _claim_all_due(store: StateStore, number: int) -> list[str]:
    due = RunQuery(statuses=("suspended", "blocked"), limit=1)
    return await _claim_until_none_are_left(
        lambda: store.claim_due_runs(f"w{number}", LEASE_MS, NOW_MS, 3), lambda: store.list_runs(due)
    )


async def _claim_until_none_are_left(
    claim: Callable[[], Awaitable[list[WorkflowRun]]], left: Callable[[], Awaitable[list[WorkflowRun]]]
) -> list[str]:
    got: list[str] = []
    # A claim may come back empty while another one holds the rows, so only an empty table ends it. By the clock and
    # not by the count: on a starved machine the other one holds them for as long as it is not run.
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        got += ids(await claim())
        if not await left():
            return got
    raise AssertionError(f"runs are left that {_PATIENCE_S} s of claims did not get")
