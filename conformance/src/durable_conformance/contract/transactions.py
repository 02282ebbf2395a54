"""Transactions: all of it or nothing, seen by nobody before it commits.

Not yet: forced deadlocks, connections that are killed around COMMIT, and exhausted pools.
"""

from __future__ import annotations

import asyncio

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.opening import settled
from durable_conformance.samples import (
    LEASE_MS,
    NOW,
    NOW_MS,
    a_checkpoint,
    a_full_checkpoint,
    a_run,
    a_waiter,
    an_event,
    ids,
)
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import Guard, RunPatch
from durable_core.store import StateStore, StoreTransaction

__all__ = ["TransactionClauses"]


class _Abort(BaseException):
    """What Ctrl-C and a cancelled task look like to a transaction."""


class TransactionClauses(ClauseGroup):
    """transaction, connected, on_commit."""

    @clause("TX-01")
    async def test_a_transaction_commits(self) -> None:
        async def work(tx: StoreTransaction) -> str:
            await tx.save_checkpoint(a_full_checkpoint())
            return "result"

        assert await self.store.transaction(work) == "result"
        assert await (await self.open()).list_checkpoints("r1") == [a_full_checkpoint()]

    @clause("TX-02")
    async def test_a_transaction_rolls_back(self) -> None:
        await self._fill()
        for error in (LookupError, _Abort):

            async def work(_tx: StoreTransaction, error: type[BaseException] = error) -> None:
                await self._change_everything()
                raise error

            with pytest.raises(error):
                await self.store.transaction(work)
            await self._expect_as_filled()

    @clause("TX-03", needs=(Need.ISOLATION,))
    async def test_nobody_sees_it_before(self) -> None:
        await self.store.create_run(a_run())
        other = await self.open()

        async def work(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint())
            await self.store.update_run("r1", RunPatch(status="running"))
            assert await other.list_checkpoints("r1") == []
            assert await other.list_incomplete_runs() == []
            assert len(await self.store.list_checkpoints("r1")) == 1, "the transaction sees its own writes"

        await self.store.transaction(work)
        assert len(await other.list_checkpoints("r1")) == 1
        assert ids(await other.list_incomplete_runs()) == ["r1"]

    @clause("TX-04")
    async def test_transactions_nest(self) -> None:
        async def inner(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint(1))

        async def failing(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint(2))
            await self.store.buffer_signal("tok", 2)
            raise LookupError("inner")

        async def outer(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint(0))
            await self.store.transaction(inner)
            with pytest.raises(LookupError, match="inner"):
                await self.store.transaction(failing)
            await tx.save_checkpoint(a_checkpoint(3))

        async def doomed(tx: StoreTransaction) -> None:
            await outer(tx)
            raise LookupError("outer")

        with pytest.raises(LookupError, match="outer"):
            await self.store.transaction(doomed)
        assert await self.store.list_checkpoints("r1") == []
        await self.store.transaction(outer)
        assert [one.seq for one in await self.store.list_checkpoints("r1")] == [0, 1, 3]
        assert await self.store.take_buffered_signal("tok") is None

    @clause("TX-05")
    async def test_every_call_joins(self) -> None:
        await self._fill()

        async def work(_tx: StoreTransaction) -> None:
            await self._change_everything()

        await self.store.transaction(work)
        store = await self.open()
        assert ids(await store.list_runs(RunQuery())) == ["r3", "r2"]
        assert await store.take_buffered_signal("tok") is None
        assert await store.list_signal_waiters("") == []
        assert await store.list_buffered_events("paid", 9) == []

    @clause("TX-06")
    async def test_a_refusal_does_not_end_the_transaction(self) -> None:
        async def work(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint(0))
            assert await self.store.create_run(a_run()) is True
            assert await self.store.create_run(a_run()) is False
            assert await self.store.update_run("r1", RunPatch(status="x"), expect=Guard(statuses=("y",))) is False
            await self.store.buffer_event(an_event())
            await self.store.buffer_event(an_event())
            with pytest.raises(ValueError, match="output"):
                await tx.save_checkpoint(a_checkpoint(1, output=float("nan")))
            await tx.save_checkpoint(a_checkpoint(2))

        await self.store.transaction(work)
        assert [one.seq for one in await self.store.list_checkpoints("r1")] == [0, 2]
        assert ids(await self.store.list_runs(RunQuery())) == ["r1"]

    @clause("TX-07")
    async def test_on_commit(self) -> None:
        rung: list[str] = []
        self.store.on_commit(lambda: rung.append("now"))
        assert rung == ["now"]

        async def work(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint())
            self.store.on_commit(lambda: rung.append("later"))

        await self.store.transaction(work)
        assert rung == ["now", "later"]
        await self.store.transaction(lambda _tx: self.store.create_run(a_run()))
        assert rung == ["now", "later"]

    @clause("TX-08")
    async def test_connections_come_and_go(self) -> None:
        harness = self._cell_harness
        await self.connect()
        before = harness.open_connections()
        store = await settled(harness.open())
        assert await store.create_run(a_run("r1")) is True
        assert await store.transaction(self._save) == "saved"
        async with store.connected():
            assert await store.get_run("r1") is not None
            async with store.connected():
                assert await store.create_run(a_run("r2")) is True
            assert await store.get_run("r2") is not None
        assert ids(await store.list_pending_runs(9)) == ["r1", "r2"]
        with pytest.raises(LookupError):
            await self._fail_while_connected(store)
        assert len(await self.store.list_runs(RunQuery())) == 3
        if before is not None:
            self.expect_connections(before)

    @clause("TX-09", needs=(Need.EVENT_LOOP,))
    async def test_a_cancelled_task_rolls_back(self) -> None:
        inside, loop = asyncio.Event(), asyncio.get_running_loop()

        async def work(tx: StoreTransaction) -> None:
            await tx.save_checkpoint(a_checkpoint())
            loop.call_soon_threadsafe(inside.set)  # an offloaded store is on another thread here
            await asyncio.Event().wait()

        task = asyncio.create_task(self.store.transaction(work))
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.create_run(a_run()) is True, "the handle goes on working"

    async def _fail_while_connected(self, store: StateStore) -> None:
        async with store.connected():
            await store.create_run(a_run("r3"))
            raise LookupError

    async def _fill(self) -> None:
        await self.store.create_run(a_run("r1", search_attributes={"n": 1}))
        await self.store.create_run(a_run("r2", search_attributes={"n": 1}))
        await self.store.save_checkpoint(a_checkpoint(0, "r2"))
        await self.store.put_signal_waiter(a_waiter("tok", "r2"))
        await self.store.buffer_signal("queue", 1)
        await self.store.buffer_event(an_event())

    async def _change_everything(self) -> None:
        await self.store.delete_run("r1")
        await self.store.update_run("r2", RunPatch(search_attributes={"n": 2}))
        await self.store.create_run(a_run("r3", search_attributes={"n": 1}))
        await self.store.claim_runs("w1", LEASE_MS, NOW_MS, 5)
        await self.store.renew_run_lock("r2", "w1", LEASE_MS + 9)
        await self.store.deliver_signal("tok", 1, NOW)
        await self.store.take_buffered_signal("queue")
        await self.store.remove_buffered_event("e1")
        await self.store.save_checkpoint(a_checkpoint(1, "r3"), owner="w1")

    async def _expect_as_filled(self) -> None:
        assert ids(await self.store.list_pending_runs(9)) == ["r1", "r2"]
        n = RunQuery(attributes=(AttributeFilter(key="n", op="eq", value=1),))
        assert ids(await self.store.list_runs(n)) == ["r2", "r1"]
        assert await self.store.list_checkpoints("r2") == [a_checkpoint(0, "r2")]
        assert await self.store.list_checkpoints("r3") == []
        assert await self.store.list_signal_waiters("") == [a_waiter("tok", "r2")]
        assert await self.store.list_buffered_events("paid", 9) == [an_event()]
        assert await self.store.take_buffered_signal("queue") is not None
        await self.store.buffer_signal("queue", 1)

    async def _save(self, tx: StoreTransaction) -> str:
        await tx.save_checkpoint(a_checkpoint())
        return "saved"
