"""Processes that are killed, that are stopped and wake too late, and whose clocks differ."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.processes import die, tell
from durable_conformance.samples import LEASE_MS, NOW, NOW_MS, a_checkpoint, a_run, a_waiter, an_event, at, ids
from durable_core.errors import LeaseLost
from durable_core.records import Guard, RunPatch
from durable_core.store import StateStore, StoreTransaction

__all__ = ["ProcessDeathClauses"]

_PROCESSES = (Need.PROCESSES,)
_LATER_MS = LEASE_MS + 30_000
_TEN_MINUTES_MS = 600_000
_MOST_CALLS = 50
_KILLS = 6
_SIGNALS = 30


class ProcessDeathClauses(ClauseGroup):
    """What a process leaves behind when it dies, and may not do when it was taken for dead."""

    @clause("KILL-01", needs=_PROCESSES)
    async def test_a_killed_holder_keeps_its_lease_to_the_end(self) -> None:
        await self.store.create_run(a_run())
        async with self.processes(1) as (holder,):
            assert holder.run(_claim) == ["r1"]
            holder.kill()
        assert await self.store.try_lock_run("r1", "w9", _LATER_MS, LEASE_MS - 1) is False
        assert await self.store.list_incomplete_runs(lease_expired_ms=LEASE_MS - 1) == []
        assert ids(await self.store.list_incomplete_runs(lease_expired_ms=LEASE_MS)) == ["r1"]
        assert await self.store.try_lock_run("r1", "w9", _LATER_MS, LEASE_MS) is True

    @clause("KILL-02", needs=_PROCESSES)
    async def test_a_turn_killed_at_any_call_goes_on(self) -> None:
        for fuse in range(1, _MOST_CALLS):
            await self.store.create_run(a_run(f"r{fuse}"))
            await self.store.buffer_signal(f"tok:r{fuse}", "payload")
            async with self.processes(1) as (mortal,):
                mortal.begin(_mortal_turn, f"r{fuse}", fuse)
                survived = mortal.survives()
            await self._go_on(f"r{fuse}")
            await self._expect_one_turn(f"r{fuse}")
            if survived:
                return
        raise AssertionError("the turn never ends")

    @clause("KILL-03", needs=_PROCESSES)
    async def test_a_killed_sender_loses_and_doubles_nothing(self) -> None:
        for turn in range(_KILLS):
            for number in range(0, _SIGNALS, 2):
                await self.store.create_run(a_run(f"r{turn}-{number}", status="suspended", wake_at_ms=LEASE_MS))
                await self.store.put_signal_waiter(a_waiter(f"tok{turn}-{number}", f"r{turn}-{number}"))
            async with self.processes(1) as (sender,):
                sender.begin(_send, turn)
                answered = {sender.result() for _ in range(random.randrange(_SIGNALS - 9))}
                # Somewhere between two statements of the next call, each time elsewhere.
                threading.Event().wait(random.uniform(0, 0.003))
                sender.kill()
                answered |= {*sender.received()}
            for number in range(_SIGNALS):
                await self._expect_one_delivery(f"{turn}-{number}", waited=number % 2 == 0, answered=number in answered)

    @clause("KILL-04", needs=_PROCESSES)
    async def test_a_transaction_dies_with_its_process(self) -> None:
        await self.store.create_run(a_run())
        await self.store.buffer_signal("tok", "kept")
        async with self.processes(1) as (mortal,):
            mortal.begin(_die_in_transaction)
            assert mortal.received() == []
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.list_buffered_events("paid", 9) == []
        assert await self.store.try_lock_run("r1", "w9", LEASE_MS, NOW_MS) is True, "no lock of the dead one is left"
        kept = await self.store.take_buffered_signal("tok")
        assert kept is not None
        assert kept.payload == "kept"
        assert await self.store.take_buffered_signal("tok") is None

    @clause("ZOMBIE-01", needs=_PROCESSES)
    async def test_a_stopped_holder_writes_nothing_after_a_takeover(self) -> None:
        await self.store.create_run(a_run())
        await self.store.buffer_signal("tok", "kept")
        async with self.processes(1) as (zombie,):
            assert zombie.run(_claim) == ["r1"]
            zombie.freeze()
            zombie.begin(_late_writes)
            assert await self.store.try_lock_run("r1", "w9", _LATER_MS, LEASE_MS) is True
            taken_over = await self.store.get_run("r1")
            zombie.thaw()
            assert zombie.result() == []
        assert await self.store.get_run("r1") == taken_over
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.list_signal_waiters("") == []
        assert await self.store.list_buffered_events("paid", 9) == []
        assert await self.store.take_buffered_signal("tok") is not None

    @clause("SKEW-01")
    async def test_clocks_ten_minutes_apart(self) -> None:
        slow, fast = await self.open(), await self.open()
        ahead_ms, behind_ms = NOW_MS + _TEN_MINUTES_MS, NOW_MS - _TEN_MINUTES_MS
        await self.store.create_run(a_run("r1"))
        await self.store.create_run(a_run("r2", status="suspended", wake_at_ms=NOW_MS))
        assert await slow.claim_due_runs("slow", behind_ms + 30_000, behind_ms, 9) == [], "not due by its own clock"
        assert ids(await fast.claim_due_runs("fast", ahead_ms + 30_000, ahead_ms, 9)) == ["r2"]
        assert await slow.try_lock_run("r2", "slow", behind_ms + 30_000, behind_ms) is False
        assert await slow.try_lock_run("r1", "slow", behind_ms + 30_000, behind_ms) is True
        assert await self.store.try_lock_run("r1", "w", LEASE_MS, NOW_MS) is True, "over by every other clock"
        with pytest.raises(LeaseLost):
            await slow.save_checkpoint(a_checkpoint(), owner="slow")
        assert await fast.try_lock_run("r1", "fast", ahead_ms + 30_000, ahead_ms) is True
        assert await self.store.renew_run_lock("r1", "w", LEASE_MS + 1) is False
        assert await slow.renew_run_lock("r1", "slow", LEASE_MS + 1) is False
        await fast.save_checkpoint(a_checkpoint(), owner="fast")
        for number, clock_ms in enumerate((behind_ms, NOW_MS, ahead_ms)):
            await self.store.create_run(a_run(f"by-{number}"))
            ends_ms = clock_ms + 30_000
            assert await self.store.try_lock_run(f"by-{number}", "w", ends_ms, clock_ms) is True
            assert await slow.try_lock_run(f"by-{number}", "slow", ends_ms * 2, ends_ms - 1) is False
            assert await slow.try_lock_run(f"by-{number}", "slow", ends_ms * 2, ends_ms) is True

    async def _go_on(self, run_id: str) -> None:
        """As a worker that comes after the lease of a dead one."""
        for found in await self.store.list_incomplete_runs(lease_expired_ms=LEASE_MS):
            if found.id == run_id:
                assert await self.store.try_lock_run(run_id, "w9", _LATER_MS, LEASE_MS)
        await self.store.claim_runs("w9", _LATER_MS, LEASE_MS, 9)
        run = await self.store.get_run(run_id)
        assert run is not None
        if run.status != "completed":
            assert run.locked_by == "w9", f"nobody would ever look at {run}"
            await _turn(self.store, run_id, "w9", lambda: None)

    async def _expect_one_turn(self, run_id: str) -> None:
        run = await self.store.get_run(run_id)
        assert run is not None
        assert (run.status, run.output, run.locked_by) == ("completed", "payload", None)
        checkpoints = await self.store.list_checkpoints(run_id)
        assert [one.output for one in checkpoints] == ["plain", "effect", "payload"]
        effects = Counter(one.payload for one in await self.store.list_buffered_events("paid", 999))
        assert effects[run_id] == 1, "a transaction's effect is there once, as its checkpoint is"
        assert await self.store.take_buffered_signal(f"tok:{run_id}") is None
        assert await self.store.list_signal_waiters("") == []

    async def _expect_one_delivery(self, name: str, *, waited: bool, answered: bool) -> None:
        served = await self.store.list_checkpoints(f"r{name}")
        buffered = [await self.store.take_buffered_signal(f"tok{name}") for _ in range(2)]
        arrived = len(served) + sum(one is not None for one in buffered)
        assert arrived == 1 if answered else arrived <= 1, f"signal {name} arrived {arrived} times"
        if waited:
            assert buffered == [None, None], "its run was waiting"
            run = await self.store.get_run(f"r{name}")
            assert run is not None
            assert run.wake_at_ms == (NOW_MS if served else LEASE_MS), "served and due, or neither"
            waiting = [one.run_id for one in await self.store.list_signal_waiters(f"tok{name}")]
            assert (run.id in waiting) is not bool(served)


async def _turn(store: StateStore, run_id: str, owner: str, tick: Callable[[], None]) -> None:
    """A turn as an engine does it; *tick* is called before each call of the store, and after the last."""
    tick()
    saved = {one.seq for one in await store.list_checkpoints(run_id)}
    if 0 not in saved:
        tick()
        await store.save_checkpoint(a_checkpoint(0, run_id, output="plain"), owner=owner)

    async def effect(tx: StoreTransaction) -> None:
        tick()
        # Each attempt's own event, so that a second effect would be seen.
        await store.buffer_event(an_event(f"{run_id} by {owner}", payload=run_id))
        tick()
        await tx.save_checkpoint(a_checkpoint(1, run_id, output="effect"), owner=owner)
        tick()

    if 1 not in saved:
        tick()
        await store.transaction(effect)
    tick()
    await store.renew_run_lock(run_id, owner, LEASE_MS)
    tick()
    paid = await store.consume_buffered_signal(a_waiter(f"tok:{run_id}", run_id, 2), NOW, owner=owner)
    tick()
    ended = RunPatch(status="completed", output=paid and paid.output, locked_by=None, locked_until_ms=None)
    await store.end_run(run_id, ended, expect=Guard(owner=owner))
    tick()


async def _mortal_turn(store: StateStore, _number: int, /, run_id: str, fuse: int) -> None:
    left = iter(range(fuse - 1, -1, -1))

    def tick() -> None:
        if next(left, None) == 0:
            die()

    tick()
    await store.claim_runs("w1", LEASE_MS, NOW_MS, 9)
    await _turn(store, run_id, "w1", tick)


async def _claim(store: StateStore, _number: int, /) -> list[str]:
    return ids(await store.claim_runs("w1", LEASE_MS, NOW_MS, 9))


async def _send(store: StateStore, _number: int, /, turn: int) -> None:
    for number in range(_SIGNALS):
        await store.deliver_signal(f"tok{turn}-{number}", number, NOW)
        tell(number)


async def _die_in_transaction(store: StateStore, _number: int, /) -> None:
    async def work(tx: StoreTransaction) -> None:
        await tx.save_checkpoint(a_checkpoint())
        await store.buffer_event(an_event())
        await store.take_buffered_signal("tok")
        await store.update_run("r1", RunPatch(status="failed"))
        die()

    await store.transaction(work)


async def _late_writes(store: StateStore, _number: int, /) -> list[str]:
    """The writes that went through, by name."""
    mine, until = Guard(owner="w1"), LEASE_MS + 60_000

    async def effect(tx: StoreTransaction) -> None:
        await store.buffer_event(an_event())
        await tx.save_checkpoint(a_checkpoint(1), owner="w1")

    fenced: dict[str, Awaitable[Any]] = {
        "save_checkpoint": store.save_checkpoint(a_checkpoint(), owner="w1"),
        "transaction": store.transaction(effect),
        "consume_buffered_signal": store.consume_buffered_signal(a_waiter("tok", "r1", 2), NOW, owner="w1"),
    }
    written = []
    for name, call in fenced.items():
        try:
            await call
        except LeaseLost:
            continue
        written.append(name)
    guarded = {
        "renew_run_lock": await store.renew_run_lock("r1", "w1", until),
        "renew_run_locks": not await store.renew_run_locks({("r1", "w1")}, until),
        "suspend_run": await store.suspend_run("r1", "w1", until, at(5)),
        "update_run": await store.update_run("r1", RunPatch(output="late"), expect=mine),
        "end_run": await store.end_run("r1", RunPatch(status="failed"), expect=mine),
    }
    await store.release_run_lock("r1", "w1")
    return written + [name for name, happened in guarded.items() if happened]
