"""Delivery: a signal reaches its waiter or the buffer, in one transaction, whoever comes first.

A sender that is killed: process_deaths.
"""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import (
    LEASE_MS,
    NOW,
    NOW_MS,
    TWINS,
    a_checkpoint,
    a_full_run,
    a_run,
    a_waiter,
    at,
    but,
    ids,
)
from durable_core.errors import NotJsonSerializable
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES, BufferedSignal, StepCheckpoint, WorkflowRun
from durable_core.store import StateStore, StoreTransaction

__all__ = ["SignalDeliveryClauses"]


class SignalDeliveryClauses(ClauseGroup):
    """deliver_signal."""

    @clause("DELIVER-01")
    async def test_a_waiter_is_served(self) -> None:
        parked = _parked(wake_at_ms=NOW_MS + 60_000)
        await self.store.create_run(parked)
        waiter = a_waiter("tok", "r1", 4, "p:1")
        await self.store.put_signal_waiter(waiter)
        assert await self.store.deliver_signal("tok", {"ok": True}, NOW) == waiter
        assert await self.store.get_checkpoint("r1", 4) == StepCheckpoint.of_signal(waiter, {"ok": True}, NOW)
        assert await self.store.list_signal_waiters("") == []
        assert await self.store.take_buffered_signal("tok") is None
        run = await self._run()
        assert run.wake_at_ms == NOW_MS
        assert but(run, updated_at=parked.updated_at) == but(parked, wake_at_ms=NOW_MS)
        assert ids(await self.store.claim_due_runs("w1", LEASE_MS, NOW_MS, 5)) == ["r1"]

    @clause("DELIVER-02")
    async def test_without_a_waiter_it_is_buffered(self) -> None:
        await self.store.create_run(_parked())
        await self.store.put_signal_waiter(a_waiter("other"))
        for payload in (1, None, 3):
            assert await self.store.deliver_signal("tok", payload, NOW) is None
        for payload in (1, None, 3):
            assert await self.store.take_buffered_signal("tok") == BufferedSignal(payload=payload)
        assert await self.store.list_checkpoints("r1") == []
        assert await self._run() == _parked()
        assert len(await self.store.list_signal_waiters("")) == 1

    @clause("DELIVER-03")
    async def test_a_running_run_is_made_due(self) -> None:
        running = a_full_run(wake_at_ms=None)
        await self.store.create_run(running)
        await self.store.put_signal_waiter(a_waiter())
        assert await self.store.deliver_signal("tok", 1, NOW) == a_waiter()
        run = await self._run()
        assert but(run, updated_at=running.updated_at) == but(running, wake_at_ms=NOW_MS)

    @clause("DELIVER-04")
    async def test_a_dead_waiter_is_not_served(self) -> None:
        for status in (*TERMINAL_STATUSES, "gone"):
            token, run_id = f"tok:{status}", f"run-{status}"
            ended = a_full_run(run_id, status=status)
            if status != "gone":
                await self.store.create_run(ended)
            await self.store.put_signal_waiter(a_waiter(token, run_id))
            assert await self.store.deliver_signal(token, status, NOW) is None, status
            assert await self.store.list_signal_waiters(token) == []
            assert await self.store.list_checkpoints(run_id) == []
            assert await self.store.take_buffered_signal(token) == BufferedSignal(payload=status)
            if status != "gone":
                assert await self.store.get_run(run_id) == ended

    @clause("DELIVER-05")
    async def test_every_live_run_is_served(self) -> None:
        for status in LIVE_STATUSES:
            await self.store.create_run(a_run(status, status=status))
            await self.store.put_signal_waiter(a_waiter(f"tok:{status}", status))
            assert await self.store.deliver_signal(f"tok:{status}", 1, NOW) is not None
            assert await self.store.get_checkpoint(status, 0) is not None
            assert (await self._run(status)).status == status

    @clause("DELIVER-06")
    async def test_none_is_delivered(self) -> None:
        await self.store.create_run(_parked())
        await self.store.put_signal_waiter(a_waiter())
        assert await self.store.deliver_signal("tok", None, NOW) == a_waiter()
        assert await self.store.get_checkpoint("r1", 0) == StepCheckpoint.of_signal(a_waiter(), None, NOW)

    @clause("DELIVER-07")
    async def test_a_bad_payload_changes_nothing(self) -> None:
        await self.store.create_run(_parked())
        await self.store.put_signal_waiter(a_waiter())
        for token in ("tok", "other"):
            with pytest.raises(NotJsonSerializable):
                await self.store.deliver_signal(token, {"bad": float("nan")}, NOW)
            assert await self.store.take_buffered_signal(token) is None
        assert await self.store.list_signal_waiters("") == [a_waiter()]
        assert await self.store.list_checkpoints("r1") == []
        assert await self._run() == _parked()

    @clause("DELIVER-08")
    async def test_a_placeholder_gives_way(self) -> None:
        await self.store.create_run(_parked())
        await self.store.save_checkpoint(
            a_checkpoint(kind="signal", status="pending", worker_group="old", wake_at_ms=5)
        )
        await self.store.put_signal_waiter(a_waiter())
        await self.store.deliver_signal("tok", "yes", at(4))
        assert await self.store.list_checkpoints("r1") == [StepCheckpoint.of_signal(a_waiter(), "yes", at(4))]

    @clause("DELIVER-09")
    async def test_tokens_are_exact(self) -> None:
        await self.store.create_run(_parked())
        for seq, token in enumerate(TWINS[:-1]):
            await self.store.put_signal_waiter(a_waiter(token, seq=seq))
        assert await self.store.deliver_signal(TWINS[-1], "nobody", NOW) is None
        assert await self.store.deliver_signal(TWINS[1], "second", NOW) == a_waiter(TWINS[1], seq=1)
        assert [one.output for one in await self.store.list_checkpoints("r1")] == ["second"]

    @clause("DELIVER-10")
    async def test_a_delivery_rolls_back(self) -> None:
        await self.store.create_run(_parked())
        await self.store.put_signal_waiter(a_waiter())

        async def work(_tx: StoreTransaction) -> None:
            await self.store.deliver_signal("tok", 1, NOW)
            await self.store.deliver_signal("other", 2, NOW)
            raise LookupError("the application changed its mind")

        with pytest.raises(LookupError):
            await self.store.transaction(work)
        assert await self.store.list_signal_waiters("") == [a_waiter()]
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.take_buffered_signal("other") is None
        assert await self._run() == _parked()

    @clause("DELIVER-11")
    async def test_one_waiter_takes_one_signal(self) -> None:
        await self.store.create_run(_parked())
        await self.store.put_signal_waiter(a_waiter())
        served = [await self.store.deliver_signal("tok", number, NOW) for number in range(3)]
        assert served == [a_waiter(), None, None]
        assert [one.output for one in await self.store.list_checkpoints("r1")] == [0]
        assert [(await self._taken()), (await self._taken())] == [1, 2]

    @clause("DELIVER-20")
    async def test_senders_share_one_waiter(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self.store.create_run(_parked(run_id))
                await self.store.put_signal_waiter(a_waiter(token, run_id))
                served = await crew.together(
                    lambda store, number, token=token: store.deliver_signal(token, number, NOW)
                )
                assert [one for one in served if one is not None] == [a_waiter(token, run_id)]
                (checkpoint,) = await self.store.list_checkpoints(run_id)
                assert served[checkpoint.output] is not None, "the checkpoint holds the payload that was served"
                rest = sorted([await self._taken(token) for _ in range(crew.size - 1)])
                assert rest == [number for number in range(crew.size) if served[number] is None]
                assert await self.store.take_buffered_signal(token) is None

    @clause("DELIVER-21")
    async def test_a_signal_meets_its_wait(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self.store.create_run(a_run(run_id, status="running", locked_by="w1", locked_until_ms=LEASE_MS))

                async def act(store: StateStore, number: int, run_id: str = run_id, token: str = token) -> Any:
                    if number:
                        return await store.consume_buffered_signal(a_waiter(token, run_id), NOW, owner="w1")
                    return await store.deliver_signal(token, "payload", NOW)

                served, consumed = await crew.together(act)
                assert (served is None) is (consumed is not None), "exactly one of the two found the other"
                (checkpoint,) = await self.store.list_checkpoints(run_id)
                assert checkpoint.output == "payload"
                assert await self.store.list_signal_waiters(token) == []
                assert await self.store.take_buffered_signal(token) is None

    @clause("DELIVER-22")
    async def test_signals_and_waits_at_once(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self.store.create_run(a_run(run_id, status="running", locked_by="w1", locked_until_ms=LEASE_MS))

                async def act(store: StateStore, number: int, run_id: str = run_id, token: str = token) -> Any:
                    if number < 2:
                        return await store.consume_buffered_signal(a_waiter(token, run_id, number), NOW, owner="w1")
                    return await store.deliver_signal(token, number, NOW)

                await crew.together(act)
                arrived = [one.output for one in await self.store.list_checkpoints(run_id)]
                buffered = []
                while (taken := await self.store.take_buffered_signal(token)) is not None:
                    buffered.append(taken.payload)
                assert sorted(arrived + buffered) == [2, 3]
                waiting = await self.store.list_signal_waiters(token)
                assert not (buffered and waiting), "a payload and a waiter are stranded side by side"

    async def _run(self, run_id: str = "r1") -> WorkflowRun:
        run = await self.store.get_run(run_id)
        assert run is not None
        return run

    async def _taken(self, token: str = "tok") -> Any:
        taken = await self.store.take_buffered_signal(token)
        assert taken is not None
        return taken.payload


def _parked(run_id: str = "r1", **changes: object) -> WorkflowRun:
    parked: dict[str, object] = {"status": "suspended", "wake_at_ms": NOW_MS + 60_000}
    return a_run(run_id, namespace="default", **parked | changes)
