"""Consumption, the mirror of delivery: a wait takes what is buffered, or stands registered."""

from __future__ import annotations

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import LEASE_MS, NOW, a_checkpoint, a_run, a_waiter, at
from durable_core.errors import IdentifierTooLong, LeaseLost, SignalTokenInUse
from durable_core.records import LIVE_STATUSES, TERMINAL_STATUSES, BufferedSignal, StepCheckpoint
from durable_core.store import StateStore, StoreTransaction

__all__ = ["SignalConsumptionClauses"]


class SignalConsumptionClauses(ClauseGroup):
    """consume_buffered_signal."""

    @clause("CONSUME-01")
    async def test_the_oldest_payload_is_taken(self) -> None:
        await self._held()
        for payload in ("first", "second"):
            await self.store.buffer_signal("tok", payload)
        waiter = a_waiter("tok", "r1", 2, "p:1")
        saved = await self.store.consume_buffered_signal(waiter, at(7), owner="w1")
        assert saved == StepCheckpoint.of_signal(waiter, "first", at(7))
        assert await self.store.list_checkpoints("r1") == [saved]
        assert await self.store.list_signal_waiters("") == []
        again = await self.store.consume_buffered_signal(a_waiter(seq=3), NOW, owner="w1")
        assert again == StepCheckpoint.of_signal(a_waiter(seq=3), "second", NOW)
        assert await self.store.take_buffered_signal("tok") is None

    @clause("CONSUME-02")
    async def test_the_waiter_stands(self) -> None:
        await self._held()
        waiter = a_waiter("tok", "r1", 2, "p:1")
        for _ in range(2):
            assert await self.store.consume_buffered_signal(waiter, NOW, owner="w1") is None
            assert await self.store.list_signal_waiters("") == [waiter]
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.deliver_signal("tok", 1, NOW) == waiter

    @clause("CONSUME-03")
    async def test_none_is_consumed(self) -> None:
        await self._held()
        await self.store.buffer_signal("tok", None)
        saved = await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1")
        assert saved == StepCheckpoint.of_signal(a_waiter(), None, NOW)
        assert await self.store.take_buffered_signal("tok") is None

    @clause("CONSUME-04")
    async def test_own_waiters_go(self) -> None:
        await self._held()
        await self.store.put_signal_waiter(a_waiter("tok", "r1", 9))
        await self.store.put_signal_waiter(a_waiter("other", "r1", 8))
        await self.store.buffer_signal("tok", 1)
        assert await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1") is not None
        assert await self.store.list_signal_waiters("") == [a_waiter("other", "r1", 8)]

    @clause("CONSUME-05")
    async def test_own_waiter_gives_way(self) -> None:
        await self._held()
        await self.store.put_signal_waiter(a_waiter("tok", "r1", 9, "p:9"))
        assert await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1") is None
        assert await self.store.list_signal_waiters("") == [a_waiter()]

    @clause("CONSUME-06")
    async def test_a_stranger_takes_nothing(self) -> None:
        await self._held()
        await self.store.create_run(a_run("free", status="running"))
        await self.store.buffer_signal("tok", 1)
        for token in ("tok", "empty"):
            for run_id, owner in (("r1", "w2"), ("r1", "W1"), ("free", "w1"), ("missing", "w1")):
                with pytest.raises(LeaseLost):
                    await self.store.consume_buffered_signal(a_waiter(token, run_id), NOW, owner=owner)
                assert await self.store.list_checkpoints(run_id) == []
        assert await self.store.list_signal_waiters("") == []
        assert await self.store.take_buffered_signal("tok") == BufferedSignal(payload=1)

    @clause("CONSUME-07")
    async def test_a_token_in_use(self) -> None:
        await self._held()
        for status in LIVE_STATUSES:
            theirs = a_waiter(f"tok:{status}", f"run-{status}", 5)
            await self.store.create_run(a_run(theirs.run_id, status=status))
            await self.store.put_signal_waiter(theirs)
            for _ in range(2):  # once with nothing buffered, once with a payload
                with pytest.raises(SignalTokenInUse) as caught:
                    await self.store.consume_buffered_signal(a_waiter(theirs.token), NOW, owner="w1")
                assert (caught.value.token, caught.value.run_id) == (theirs.token, theirs.run_id)
                assert await self.store.list_signal_waiters(theirs.token) == [theirs]
                await self.store.buffer_signal(theirs.token, status)
            assert await self.store.take_buffered_signal(theirs.token) == BufferedSignal(payload=status)
        assert await self.store.list_checkpoints("r1") == []

    @clause("CONSUME-08")
    async def test_a_dead_waiter_gives_way(self) -> None:
        await self._held()
        for seq, status in enumerate((*TERMINAL_STATUSES, "gone")):
            token, run_id = f"tok:{status}", f"run-{status}"
            if status != "gone":
                await self.store.create_run(a_run(run_id, status=status))
            await self.store.put_signal_waiter(a_waiter(token, run_id))
            mine = a_waiter(token, "r1", seq)
            assert await self.store.consume_buffered_signal(mine, NOW, owner="w1") is None, status
            assert await self.store.list_signal_waiters(token) == [mine]

    @clause("CONSUME-09")
    async def test_a_consumption_rolls_back(self) -> None:
        await self._held()
        await self.store.buffer_signal("tok", 1)

        async def work(_tx: StoreTransaction) -> None:
            assert await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1") is not None
            assert await self.store.consume_buffered_signal(a_waiter("other", seq=1), NOW, owner="w1") is None
            raise LookupError("the application changed its mind")

        with pytest.raises(LookupError):
            await self.store.transaction(work)
        assert await self.store.list_checkpoints("r1") == []
        assert await self.store.list_signal_waiters("") == []
        assert await self.store.take_buffered_signal("tok") == BufferedSignal(payload=1)

    @clause("CONSUME-10")
    async def test_a_consumed_signal_replaces_a_placeholder(self) -> None:
        await self._held()
        before = await self.store.get_run("r1")
        await self.store.save_checkpoint(a_checkpoint(kind="signal", status="pending", worker_group="old"))
        await self.store.buffer_signal("tok", "yes")
        saved = await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1")
        assert await self.store.list_checkpoints("r1") == [saved]
        assert await self.store.get_run("r1") == before

    @clause("CONSUME-11")
    async def test_a_served_wait_is_answered(self) -> None:
        await self._held()
        assert await self.store.consume_buffered_signal(a_waiter(), NOW, owner="w1") is None
        assert await self.store.deliver_signal("tok", "first", at(3)) == a_waiter()
        await self.store.buffer_signal("tok", "second")
        for _ in range(2):
            saved = await self.store.consume_buffered_signal(a_waiter(), at(9), owner="w1")
            assert saved == StepCheckpoint.of_signal(a_waiter(), "first", at(3))
            assert await self.store.list_signal_waiters("") == []
        with pytest.raises(LeaseLost):
            await self.store.consume_buffered_signal(a_waiter(), at(9), owner="w2")
        assert await self.store.take_buffered_signal("tok") == BufferedSignal(payload="second")

    @clause("CONSUME-12")
    async def test_a_token_too_long_to_be_served(self) -> None:
        await self._held()
        longest = "x" * (191 - len("signal:"))
        with pytest.raises(IdentifierTooLong):
            await self.store.consume_buffered_signal(a_waiter(longest + "x"), NOW, owner="w1")
        assert await self.store.list_signal_waiters("") == []
        assert await self.store.consume_buffered_signal(a_waiter(longest), NOW, owner="w1") is None
        assert await self.store.deliver_signal(longest, 1, NOW) == a_waiter(longest)
        saved = await self.store.get_checkpoint("r1", 0)
        assert saved == StepCheckpoint.of_signal(a_waiter(longest), 1, NOW)

    @clause("CONSUME-20")
    async def test_one_wait_gets_the_payload(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                token = f"tok{turn}"
                for number in range(crew.size):
                    await self._held(f"r{turn}-{number}")
                await self.store.buffer_signal(token, "once")
                got = await crew.together(
                    lambda store, number, turn=turn: _consume(store, f"tok{turn}", f"r{turn}-{number}")
                )
                assert got.count("once") == 1
                assert await self.store.take_buffered_signal(token) is None
                saved = [
                    one for number in range(crew.size) for one in await self.store.list_checkpoints(f"r{turn}-{number}")
                ]
                assert [one.output for one in saved] == ["once"]
                waiting = [one.run_id for one in await self.store.list_signal_waiters(token)]
                standing = [f"r{turn}-{number}" for number, one in enumerate(got) if one == "waits"]
                assert waiting == standing[:1]
                assert len(standing) <= 1, "two runs were both told that they wait"

    @clause("CONSUME-21")
    async def test_a_second_look_against_the_signal(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id, token = f"r{turn}", f"tok{turn}"
                await self._held(run_id)
                await self.store.put_signal_waiter(a_waiter(token, run_id))

                async def act(store: StateStore, number: int, run_id: str = run_id, token: str = token) -> bool:
                    if number:
                        return await _consume(store, token, run_id) == "payload"
                    return await store.deliver_signal(token, "payload", NOW) is not None

                served, _seen = await crew.together(act)
                assert served is True
                assert [one.output for one in await self.store.list_checkpoints(run_id)] == ["payload"]
                assert await self.store.list_signal_waiters(token) == []
                assert await self.store.take_buffered_signal(token) is None

    async def _held(self, run_id: str = "r1") -> None:
        await self.store.create_run(a_run(run_id, status="running", locked_by="w1", locked_until_ms=LEASE_MS))


async def _consume(store: StateStore, token: str, run_id: str) -> str:
    try:
        saved = await store.consume_buffered_signal(a_waiter(token, run_id), NOW, owner="w1")
    except SignalTokenInUse:
        return "in use"
    return "waits" if saved is None else str(saved.output)
