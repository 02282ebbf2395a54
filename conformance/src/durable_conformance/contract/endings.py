"""How a turn leaves its run: parked until an instant, or ended for good."""

from __future__ import annotations

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import LEASE_MS, NOW, NOW_MS, a_full_run, a_run, a_waiter, at, but, ids
from durable_core.records import TERMINAL_STATUSES, Guard, RunPatch, StepCheckpoint, WorkflowRun
from durable_core.store import StateStore

__all__ = ["EndingClauses"]

_HELD = Guard(statuses=("running",), owner="w1")


class EndingClauses(ClauseGroup):
    """suspend_run, end_run."""

    @clause("SUSPEND-01")
    async def test_a_run_is_parked(self) -> None:
        await self.store.create_run(a_full_run(wake_at_ms=None))
        assert await self.store.suspend_run("r1", "w1:turn-1", NOW_MS + 5_000, at(10)) is True
        expected = a_full_run(
            status="suspended",
            wake_at_ms=NOW_MS + 5_000,
            locked_by=None,
            locked_until_ms=None,
            recovery_attempts=0,
            updated_at=at(10),
        )
        assert await self._run() == expected

    @clause("SUSPEND-02")
    async def test_only_the_holder_parks_a_running_run(self) -> None:
        await self.store.create_run(_held("other", locked_by="w2"))
        await self.store.create_run(_held("case", locked_by="W1"))
        await self.store.create_run(_held("free", locked_by=None, locked_until_ms=None))
        states = ("pending", "suspended", "cancelling", "blocked", *TERMINAL_STATUSES)
        for status in states:
            await self.store.create_run(_held(status, status=status))
        before = {run_id: await self.store.get_run(run_id) for run_id in ("other", "case", "free", *states)}
        for run_id, run in before.items():
            assert await self.store.suspend_run(run_id, "w1", NOW_MS + 1, NOW) is False, run_id
            assert await self.store.get_run(run_id) == run
        assert await self.store.suspend_run("missing", "w1", NOW_MS + 1, NOW) is False

    @clause("SUSPEND-03")
    async def test_an_earlier_instant_stays(self) -> None:
        await self.store.create_run(_held())
        await self.store.put_signal_waiter(a_waiter())
        await self.store.deliver_signal("tok", "yes", NOW)
        assert await self.store.suspend_run("r1", "w1", NOW_MS + 60_000, at(1)) is True
        assert (await self._run()).wake_at_ms == NOW_MS
        assert ids(await self.store.claim_due_runs("w2", LEASE_MS, NOW_MS, 10)) == ["r1"]

    @clause("SUSPEND-04")
    async def test_a_later_instant_gives_way(self) -> None:
        await self.store.create_run(_held(wake_at_ms=NOW_MS + 60_000))
        assert await self.store.suspend_run("r1", "w1", NOW_MS + 5, NOW) is True
        assert (await self._run()).wake_at_ms == NOW_MS + 5

    @clause("SUSPEND-05")
    async def test_the_answer_is_not_the_drivers_row_count(self) -> None:
        await self.store.create_run(_held(status="suspended", locked_by=None, locked_until_ms=None, wake_at_ms=NOW_MS))
        for _ in range(2):
            patch = RunPatch(status="running", locked_by="w1", locked_until_ms=LEASE_MS, wake_at_ms=None)
            await self.store.update_run("r1", patch)
            assert await self.store.suspend_run("r1", "w1", NOW_MS, NOW) is True
            assert await self.store.suspend_run("r1", "w1", NOW_MS, NOW) is False, "it is parked already"

    @clause("SUSPEND-20")
    async def test_a_signal_is_never_slept_over(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self.store.create_run(_held(run_id))
                await self.store.put_signal_waiter(a_waiter(token, run_id))

                async def act(store: StateStore, number: int, run_id: str = run_id, token: str = token) -> bool:
                    if number:
                        return await store.suspend_run(run_id, "w1", NOW_MS + 60_000, NOW)
                    return await store.deliver_signal(token, 1, NOW) is not None

                assert await crew.together(act) == [True, True]
                run = await self._run(run_id)
                assert (run.status, run.wake_at_ms) == ("suspended", NOW_MS)

    @clause("END-01")
    async def test_ending_removes_the_waiters(self) -> None:
        await self.store.create_run(_held())
        await self.store.create_run(_held("r2"))
        for token, run_id in (("a", "r1"), ("b", "r2"), ("c", "r1")):
            await self.store.put_signal_waiter(a_waiter(token, run_id))
        patch = RunPatch(status="completed", output=[1], locked_by=None, locked_until_ms=None, updated_at=at(9))
        assert await self.store.end_run("r1", patch, expect=_HELD) is True
        ended = _held(status="completed", output=[1], locked_by=None, locked_until_ms=None, updated_at=at(9))
        assert await self._run() == ended
        assert [one.token for one in await self.store.list_signal_waiters("")] == ["b"]
        assert await self._run("r2") == _held("r2")

    @clause("END-02")
    async def test_a_guard_that_fails_keeps_the_waiters(self) -> None:
        await self.store.create_run(_held())
        await self.store.put_signal_waiter(a_waiter())
        guards = (
            Guard(statuses=("pending",)),
            Guard(statuses=("running",), owner="w2"),
            Guard(owner=None),
            Guard(lease_expired_ms=NOW_MS),
        )
        for guard in guards:
            assert await self.store.end_run("r1", RunPatch(status="failed"), expect=guard) is False, guard
        assert await self._run() == _held()
        assert await self.store.list_signal_waiters("") == [a_waiter()]

    @clause("END-03")
    async def test_ending_a_missing_run(self) -> None:
        await self.store.put_signal_waiter(a_waiter())
        assert await self.store.end_run("r1", RunPatch(status="failed"), expect=Guard()) is False
        assert await self.store.list_signal_waiters("") == [a_waiter()]

    @clause("END-04")
    async def test_an_ending_stands(self) -> None:
        await self.store.create_run(_held())
        cancel = Guard(statuses=("pending", "running", "suspended", "cancelling", "blocked"))
        assert await self.store.end_run("r1", RunPatch(status="cancelled"), expect=cancel) is True
        before = await self._run()
        assert await self.store.end_run("r1", RunPatch(status="completed", output="late"), expect=_HELD) is False
        assert await self.store.end_run("r1", RunPatch(status="dead"), expect=cancel) is False
        assert await self._run() == before

    @clause("END-05")
    async def test_an_ending_may_set_attributes(self) -> None:
        await self.store.create_run(_held(search_attributes={"n": 1}))
        patch = RunPatch(status="completed", search_attributes={"n": 2})
        assert await self.store.end_run("r1", patch, expect=_HELD) is True
        assert await self._run() == but(_held(), status="completed", search_attributes={"n": 2})

    @clause("END-06")
    async def test_the_next_signal_is_not_swallowed(self) -> None:
        await self.store.create_run(_held())
        await self.store.put_signal_waiter(a_waiter())
        await self.store.end_run("r1", RunPatch(status="cancelled"), expect=_HELD)
        assert await self.store.deliver_signal("tok", "next", NOW) is None
        await self.store.create_run(_held("r2"))
        served = await self.store.consume_buffered_signal(a_waiter(run_id="r2"), NOW, owner="w1")
        assert served == StepCheckpoint.of_signal(a_waiter(run_id="r2"), "next", NOW)

    @clause("END-20")
    async def test_a_signal_at_the_end(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self.store.create_run(_held(run_id))
                await self.store.put_signal_waiter(a_waiter(token, run_id))

                async def act(store: StateStore, number: int, run_id: str = run_id, token: str = token) -> bool:
                    if number:
                        return await store.end_run(run_id, RunPatch(status="completed"), expect=_HELD)
                    return await store.deliver_signal(token, "payload", NOW) is not None

                served, ended = await crew.together(act)
                assert ended is True
                assert (await self._run(run_id)).status == "completed"
                assert await self.store.list_signal_waiters(token) == []
                saved = await self.store.get_checkpoint(run_id, 0)
                buffered = await self.store.take_buffered_signal(token)
                assert (saved is not None, buffered is not None) == (served, not served)

    async def _run(self, run_id: str = "r1") -> WorkflowRun:
        run = await self.store.get_run(run_id)
        assert run is not None
        return run


def _held(run_id: str = "r1", **changes: object) -> WorkflowRun:
    held: dict[str, object] = {"status": "running", "locked_by": "w1", "locked_until_ms": LEASE_MS}
    return a_run(run_id, namespace="default", **held | changes)
