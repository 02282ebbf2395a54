"""Leases: one holder at a time, exact to the millisecond, given back only by who holds it.

Holders that are killed, stopped or wrong about the time: process_deaths. Not yet: connections that drop in
mid-statement.
"""

from __future__ import annotations

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import LEASE_MS, NOW_MS, a_full_run, a_run
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES, WorkflowRun
from durable_core.store import StateStore

__all__ = ["LeaseClauses"]


class LeaseClauses(ClauseGroup):
    """try_lock_run, renew_run_lock, renew_run_locks, release_run_lock."""

    @clause("LEASE-01")
    async def test_a_free_run_is_leased(self) -> None:
        await self.store.create_run(a_full_run(locked_by=None, locked_until_ms=None))
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS, NOW_MS) is True
        assert await self._run() == a_full_run(locked_by="w1", locked_until_ms=LEASE_MS)

    @clause("LEASE-02")
    async def test_a_live_lease_is_refused(self) -> None:
        await self.store.create_run(a_run())
        other = await self.open()
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS, NOW_MS) is True
        assert await other.try_lock_run("r1", "w2", LEASE_MS + 5, NOW_MS) is False
        assert await self._lease() == ("w1", LEASE_MS)
        await self.store.release_run_lock("r1", "w1")
        assert await self._lease() == (None, None)
        assert await other.try_lock_run("r1", "w2", LEASE_MS + 5, NOW_MS) is True
        assert await self._lease() == ("w2", LEASE_MS + 5)

    @clause("LEASE-03")
    async def test_a_lease_ends_at_its_millisecond(self) -> None:
        await self.store.create_run(a_run())
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS, NOW_MS) is True
        assert await self.store.try_lock_run("r1", "w2", LEASE_MS * 2, LEASE_MS - 1) is False
        assert await self.store.try_lock_run("r1", "w2", LEASE_MS + 9, LEASE_MS) is True
        assert await self._lease() == ("w2", LEASE_MS + 9)

    @clause("LEASE-04")
    async def test_a_release_by_another_changes_nothing(self) -> None:
        await self.store.create_run(a_full_run(locked_by="w1"))
        for owner in ("w2", "W1", "w", "w11"):
            await self.store.release_run_lock("r1", owner)
            assert await self._run() == a_full_run(locked_by="w1"), owner

    @clause("LEASE-05")
    async def test_a_release_by_the_holder(self) -> None:
        for until_ms in (LEASE_MS, NOW_MS - 1):
            run_id = f"r{until_ms}"
            await self.store.create_run(a_full_run(run_id, locked_by="w1", locked_until_ms=until_ms))
            await self.store.release_run_lock(run_id, "w1")
            assert await self._run(run_id) == a_full_run(run_id, locked_by=None, locked_until_ms=None)

    @clause("LEASE-06")
    async def test_a_release_without_an_owner(self) -> None:
        await self.store.create_run(a_full_run())
        await self.store.release_run_lock("r1")
        assert await self._lease() == (None, None)

    @clause("LEASE-07")
    async def test_a_missing_run(self) -> None:
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS, NOW_MS) is False
        assert await self.store.renew_run_lock("r1", "w1", LEASE_MS) is False
        await self.store.release_run_lock("r1", "w1")
        await self.store.release_run_lock("r1")
        assert await self.store.get_run("r1") is None

    @clause("LEASE-08")
    async def test_a_lease_is_not_reentrant(self) -> None:
        await self.store.create_run(a_run())
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS, NOW_MS) is True
        assert await self.store.try_lock_run("r1", "w1", LEASE_MS + 9, NOW_MS) is False
        assert await self._lease() == ("w1", LEASE_MS)

    @clause("LEASE-09")
    async def test_only_the_holder_renews(self) -> None:
        await self.store.create_run(a_full_run(locked_by="w1"))
        for owner in ("w2", "W1", "w"):
            assert await self.store.renew_run_lock("r1", owner, LEASE_MS + 9) is False, owner
        assert await self._lease() == ("w1", LEASE_MS)
        assert await self.store.renew_run_lock("r1", "w1", LEASE_MS + 9) is True
        assert await self._run() == a_full_run(locked_by="w1", locked_until_ms=LEASE_MS + 9)
        await self.store.create_run(a_run("free"))
        assert await self.store.renew_run_lock("free", "w1", LEASE_MS) is False

    @clause("LEASE-10")
    async def test_a_renewal_never_shortens(self) -> None:
        await self.store.create_run(a_full_run(locked_by="w1"))
        assert await self.store.renew_run_lock("r1", "w1", LEASE_MS - 1000) is True
        assert await self._lease() == ("w1", LEASE_MS)

    @clause("LEASE-11")
    async def test_renewing_to_the_same_instant(self) -> None:
        await self.store.create_run(a_full_run(locked_by="w1"))
        for until_ms in (LEASE_MS, LEASE_MS, LEASE_MS + 1, LEASE_MS + 1):
            assert await self.store.renew_run_lock("r1", "w1", until_ms) is True
        assert await self._lease() == ("w1", LEASE_MS + 1)

    @clause("LEASE-12")
    async def test_an_expired_lease_can_be_renewed(self) -> None:
        await self.store.create_run(a_full_run(locked_by="w1", locked_until_ms=NOW_MS - 500))
        assert await self.store.renew_run_lock("r1", "w1", NOW_MS) is True
        assert await self.store.try_lock_run("r1", "w2", LEASE_MS, NOW_MS) is True
        assert await self.store.renew_run_lock("r1", "w1", LEASE_MS + 9) is False
        assert await self._lease() == ("w2", LEASE_MS)

    @clause("LEASE-13")
    async def test_a_lease_in_some_statuses(self) -> None:
        for status in (*LIVE_STATUSES, *TERMINAL_STATUSES):
            await self.store.create_run(a_run(status, status=status))
            wanted = ("running", "cancelling")
            got = await self.store.try_lock_run(status, "w1", LEASE_MS, NOW_MS, statuses=wanted)
            assert got is (status in wanted), status
        assert await self.store.try_lock_run("pending", "w1", LEASE_MS, NOW_MS, statuses=()) is False
        assert await self._lease("pending") == (None, None)
        assert await self.store.try_lock_run("completed", "w1", LEASE_MS, NOW_MS) is True, "unasked, any status will do"

    @clause("LEASE-14")
    async def test_a_lease_may_last_long(self) -> None:
        beyond_2038, last = 2**31 * 1000 + 123, 253_402_300_799_999
        await self.store.create_run(a_run())
        assert await self.store.try_lock_run("r1", "w1", beyond_2038, NOW_MS) is True
        assert await self._lease() == ("w1", beyond_2038)
        assert await self.store.renew_run_lock("r1", "w1", last) is True
        assert await self._lease() == ("w1", last)

    @clause("LEASE-15")
    async def test_many_leases_are_renewed_at_once(self) -> None:
        for run_id, owner in (("r1", "w1"), ("r2", "w2"), ("stolen", "thief"), ("free", None)):
            await self.store.create_run(a_run(run_id, status="running", locked_by=owner, locked_until_ms=LEASE_MS))
        # The pairs count, not the two lists that they make: w2 holds r2 alone.
        lost = {("stolen", "w1"), ("free", "w1"), ("missing", "w1"), ("r1", "w2")}
        assert await self.store.renew_run_locks({("r1", "w1"), ("r2", "w2"), *lost}, LEASE_MS + 9) == lost
        assert await self._lease("r1") == ("w1", LEASE_MS + 9)
        assert await self._lease("r2") == ("w2", LEASE_MS + 9)
        assert await self._lease("stolen") == ("thief", LEASE_MS)
        assert (await self._lease("free"))[0] is None
        assert await self.store.renew_run_locks((), LEASE_MS) == set()

    @clause("LEASE-16")
    async def test_many_renewals_are_as_single_ones(self) -> None:
        await self.store.create_run(a_full_run("longer", locked_by="w1", locked_until_ms=LEASE_MS + 500))
        await self.store.create_run(a_full_run("expired", locked_by="w1", locked_until_ms=NOW_MS - 500))
        for _ in range(2):
            assert await self.store.renew_run_locks([("longer", "w1"), ("expired", "w1")], LEASE_MS) == set()
            assert await self._lease("longer") == ("w1", LEASE_MS + 500)
            assert await self._lease("expired") == ("w1", LEASE_MS)

    @clause("LEASE-17")
    async def test_any_number_of_leases(self) -> None:
        held = [(f"r{number:03}", "w1") for number in range(450)]
        for run_id, owner in held[::90]:
            await self.store.create_run(a_run(run_id, status="running", locked_by=owner, locked_until_ms=NOW_MS))
        assert await self.store.renew_run_locks(held, LEASE_MS) == set(held) - set(held[::90])
        for run_id, owner in held[::90]:
            assert await self._lease(run_id) == (owner, LEASE_MS)

    @clause("LEASE-20")
    async def test_one_holder_wins(self) -> None:
        async with self.racers(8) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id))
                got = await crew.together(
                    lambda store, number, run_id=run_id: store.try_lock_run(
                        run_id, f"w{number}", LEASE_MS + number, NOW_MS
                    )
                )
                assert got.count(True) == 1
                winner = got.index(True)
                assert await self._lease(run_id) == (f"w{winner}", LEASE_MS + winner)

    @clause("LEASE-21")
    async def test_many_runs_are_each_leased_once(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds(12):
                everything = [f"{turn}-{number}" for number in range(8)]
                for run_id in everything:
                    await self.store.create_run(a_run(run_id))
                got = await crew.together(lambda store, number, runs=everything: _lease_all(store, number, runs))
                assert sorted(run_id for one in got for run_id in one) == everything

    @clause("LEASE-22")
    async def test_renewal_against_takeover(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id, locked_by="w1", locked_until_ms=NOW_MS, status="running"))

                async def act(store: StateStore, number: int, run_id: str = run_id) -> bool:
                    if number:
                        return await store.try_lock_run(run_id, "w2", LEASE_MS, NOW_MS)
                    return await store.renew_run_lock(run_id, "w1", LEASE_MS)

                renewed, taken = await crew.together(act)
                assert renewed is not taken
                assert await self._lease(run_id) == ("w2" if taken else "w1", LEASE_MS)

    @clause("LEASE-23")
    async def test_release_against_takeover(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id, locked_by="w1", locked_until_ms=NOW_MS, status="running"))

                async def act(store: StateStore, number: int, run_id: str = run_id) -> bool:
                    if number:
                        return await store.try_lock_run(run_id, "w2", LEASE_MS, NOW_MS)
                    await store.release_run_lock(run_id, "w1")
                    return True

                assert await crew.together(act) == [True, True]
                assert await self._lease(run_id) == ("w2", LEASE_MS)

    async def _run(self, run_id: str = "r1") -> WorkflowRun:
        run = await self.store.get_run(run_id)
        assert run is not None
        return run

    async def _lease(self, run_id: str = "r1") -> tuple[str | None, int | None]:
        run = await self._run(run_id)
        return run.locked_by, run.locked_until_ms


async def _lease_all(store: StateStore, number: int, run_ids: list[str]) -> list[str]:
    order = run_ids[number:] + run_ids[:number]
    return [run_id for run_id in order if await store.try_lock_run(run_id, f"w{number}", LEASE_MS, NOW_MS)]
