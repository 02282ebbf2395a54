"""Races of real processes: what no lock of one process decides, the database has to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from durable_conformance.clauses import Need, clause
from durable_conformance.crew import rounds
from durable_conformance.group import ClauseGroup
from durable_conformance.processes import together
from durable_conformance.samples import LEASE_MS, NOW, NOW_MS, a_run, a_waiter, but, ids
from durable_conformance.tables import drop_tables
from durable_core.queries import RunQuery
from durable_core.records import Guard, RunPatch
from durable_core.store import StateStore

__all__ = ["ProcessRaceClauses"]

_PROCESSES = (Need.PROCESSES,)
_MOST = 20


class ProcessRaceClauses(ClauseGroup):
    """Several processes at the same moment."""

    @clause("PROC-20", needs=_PROCESSES)
    async def test_one_process_leases_a_run(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                await self.store.create_run(a_run(f"r{turn}"))
                leased = together(others, _lease, f"r{turn}")
                assert sorted(leased) == [False, False, False, True]
                run = await self.store.get_run(f"r{turn}")
                assert run is not None
                assert run.locked_by == f"w{leased.index(True)}"

    @clause("PROC-21", needs=_PROCESSES)
    async def test_processes_share_the_claims(self) -> None:
        everything = [f"r{number:02}" for number in range(60)]
        for number, run_id in enumerate(everything):
            state: dict[str, Any] = {"status": "suspended", "wake_at_ms": NOW_MS} if number % 2 else {}
            await self.store.create_run(a_run(run_id, **state))
        async with self.processes(4) as others:
            claimed = together(others, _claim_all)
        assert sorted(run_id for mine in claimed for run_id in mine) == everything
        for number, mine in enumerate(claimed):
            for run_id in mine:
                run = await self.store.get_run(run_id)
                assert run is not None
                assert run.locked_by == f"w{number}"

    @clause("PROC-22", needs=_PROCESSES)
    async def test_one_process_creates_a_run(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                made = together(others, _create, f"r{turn}")
                assert sorted(made) == [False, False, False, True]
                run = await self.store.get_run(f"r{turn}")
                assert run is not None
                assert run.input == made.index(True)

    @clause("PROC-23", needs=_PROCESSES)
    async def test_one_process_takes_a_waiter(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                await self.store.put_signal_waiter(a_waiter(f"tok{turn}"))
                assert sorted(together(others, _take_waiter, f"tok{turn}")) == [False, False, False, True]

    @clause("PROC-24", needs=_PROCESSES)
    async def test_processes_share_the_payloads(self) -> None:
        for number in range(60):
            await self.store.buffer_signal("tok", number)
        async with self.processes(4) as others:
            taken = together(others, _take_payloads, "tok")
        assert sorted(payload for mine in taken for payload in mine) == [*range(60)]
        assert all(mine == sorted(mine) for mine in taken), "each taker sees the queue's order"

    @clause("PROC-25", needs=_PROCESSES)
    async def test_one_process_settles_a_run(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                await self.store.create_run(a_run(f"r{turn}", status="running"))
                settled = together(others, _settle, f"r{turn}")
                assert sorted(settled) == [False, False, False, True]
                run = await self.store.get_run(f"r{turn}")
                assert run is not None
                assert run.output == settled.index(True)

    @clause("PROC-26", needs=_PROCESSES)
    async def test_patches_of_processes_all_arrive(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                await self.store.create_run(a_run(f"r{turn}"))
                together(others, _patch, f"r{turn}")
                run = await self.store.get_run(f"r{turn}")
                changed = a_run(f"r{turn}", input=0, output=1, priority=2, origin="w3", namespace="default")
                assert run is not None
                assert but(run, updated_at=NOW) == changed

    @clause("PROC-27", needs=_PROCESSES)
    async def test_a_signal_of_one_process_meets_the_wait_of_another(self) -> None:
        async with self.processes(4) as others:
            for turn in rounds(_MOST):
                await self.store.create_run(
                    a_run(f"r{turn}", status="running", locked_by="w", locked_until_ms=LEASE_MS)
                )
                met = Counter(together(others, _signal_or_wait, f"r{turn}"))
                checkpoints = await self.store.list_checkpoints(f"r{turn}")
                assert len(checkpoints) == 1, "of two signals and two waits for the same position one is served"
                assert await self.store.list_signal_waiters(f"tok:r{turn}") == []
                left = await self.store.take_buffered_signal(f"tok:r{turn}")
                assert left is not None
                assert sorted((checkpoints[0].output, left.payload)) == [0, 1]
                assert await self.store.take_buffered_signal(f"tok:r{turn}") is None
                assert met.total() == 4

    @clause("BOOT-20", needs=(Need.SQL, *_PROCESSES), spoils_schema=True)
    async def test_processes_boot_on_an_empty_database(self) -> None:
        async with self.processes(8) as others:
            for _ in range(3):
                drop_tables(self.sql)
                together(others, _boot)
                await self.store.verify_schema()
                assert len(await self.store.list_runs(RunQuery())) == len(others)


async def _lease(store: StateStore, number: int, /, run_id: str) -> bool:
    return await store.try_lock_run(run_id, f"w{number}", LEASE_MS, NOW_MS)


async def _claim_all(store: StateStore, number: int, /) -> list[str]:
    mine: list[str] = []
    while True:
        pending = await store.claim_runs(f"w{number}", LEASE_MS, NOW_MS, 2)
        due = await store.claim_due_runs(f"w{number}", LEASE_MS, NOW_MS, 2)
        if not pending and not due:
            # A row that another claimer has locked for a moment is skipped, so nothing found may be nothing yet.
            left = await store.list_pending_runs(1), await store.list_due_timers(NOW_MS, limit=1)
            if not any(left):
                return mine
        mine += ids((*pending, *due))


async def _create(store: StateStore, number: int, /, run_id: str) -> bool:
    return await store.create_run(a_run(run_id, input=number))


async def _take_waiter(store: StateStore, _number: int, /, token: str) -> bool:
    return await store.take_signal_waiter(token) is not None


async def _take_payloads(store: StateStore, _number: int, /, token: str) -> list[int]:
    taken = []
    while (signal := await store.take_buffered_signal(token)) is not None:
        taken.append(signal.payload)
    return taken


async def _settle(store: StateStore, number: int, /, run_id: str) -> bool:
    ended = RunPatch(status=("completed", "failed", "cancelled", "dead")[number], output=number)
    return await store.end_run(run_id, ended, expect=Guard(statuses=("running",)))


async def _patch(store: StateStore, number: int, /, run_id: str) -> bool:
    patches = (RunPatch(input=0), RunPatch(output=1), RunPatch(priority=2), RunPatch(origin="w3"))
    return await store.update_run(run_id, patches[number])


async def _signal_or_wait(store: StateStore, number: int, /, run_id: str) -> str:
    if number < 2:
        waiter = await store.deliver_signal(f"tok:{run_id}", number, NOW)
        return "served" if waiter is not None else "buffered"
    waiter = a_waiter(f"tok:{run_id}", run_id)
    found = await store.consume_buffered_signal(waiter, NOW, owner="w")
    return "found" if found is not None else "waits"


async def _boot(store: StateStore, number: int, /) -> None:
    await store.ensure_schema()
    await store.create_run(a_run(f"r{number}"))
