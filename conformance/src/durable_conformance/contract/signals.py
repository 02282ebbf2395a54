"""Signals in their two halves: waiters, one per token, and buffered payloads, first in, first out.

Takers in several processes: process_races. Not yet: 100,000 payloads.
"""

from __future__ import annotations

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import FALSY, TWINS, a_waiter
from durable_core.errors import NotJsonSerializable
from durable_core.records import BufferedSignal, SignalWaiter
from durable_core.store import StateStore

__all__ = ["SignalClauses"]

_LITERALS = ("%", "_", "\\", "!", "[", "*", "?", "a%", "a_", "a\\", "YWI=", "ywi=")


class SignalClauses(ClauseGroup):
    """Waiters: put, take, list, remove. Buffered signals: buffer, take."""

    @clause("SIGNAL-01")
    async def test_a_waiter_is_taken_once(self) -> None:
        waiter = a_waiter("feedback:7", "r1", 3, "p:1")
        await self.store.put_signal_waiter(waiter)
        assert await self.store.list_signal_waiters("feedback:") == [waiter]
        assert await (await self.open()).take_signal_waiter("feedback:7") == waiter
        assert await self.store.take_signal_waiter("feedback:7") is None
        assert await self.store.list_signal_waiters("") == []

    @clause("SIGNAL-02")
    async def test_a_waiter_replaces_another(self) -> None:
        await self.store.put_signal_waiter(a_waiter("tok", "r1", 3, "p:1"))
        await self.store.put_signal_waiter(a_waiter("tok", "r2", -4))
        await self.store.put_signal_waiter(a_waiter("tok", "r2", -4))
        assert await self.store.list_signal_waiters("") == [a_waiter("tok", "r2", -4)]

    @clause("SIGNAL-03")
    async def test_a_waiter_is_removed_exactly(self) -> None:
        waiter = a_waiter("tok", "r1", 3, "p:1")
        await self.store.put_signal_waiter(waiter)
        for other in (
            a_waiter("tok", "r1", 4),
            a_waiter("tok", "r2", 3),
            a_waiter("tok", "R1", 3),
            a_waiter("Tok", "r1", 3),
        ):
            assert await self.store.remove_signal_waiter(other) is False, other
        assert await self.store.list_signal_waiters("") == [waiter]
        assert await self.store.remove_signal_waiter(a_waiter("tok", "r1", 3)) is True
        assert await self.store.remove_signal_waiter(a_waiter("tok", "r1", 3)) is False
        assert await self.store.list_signal_waiters("") == []

    @clause("SIGNAL-04")
    async def test_an_unknown_token_gives_none(self) -> None:
        assert await self.store.take_signal_waiter("tok") is None
        assert await self.store.take_buffered_signal("tok") is None

    @clause("SIGNAL-05")
    async def test_waiters_are_listed_by_token(self) -> None:
        for token in ("b:2", "a:1", "b:1", "c", "b:10"):
            await self.store.put_signal_waiter(a_waiter(token, f"run-of-{token}"))
        assert await self._tokens("") == ["a:1", "b:1", "b:10", "b:2", "c"]
        assert await self._tokens("b:") == ["b:1", "b:10", "b:2"]
        assert await self._tokens("b:1") == ["b:1", "b:10"]
        assert await self._tokens("d") == []

    @clause("SIGNAL-06")
    async def test_prefixes_of_tokens_are_literal(self) -> None:
        tokens = [f"{literal}tail" for literal in (*_LITERALS, "abc", "A%", "axb", "Yw")]
        for token in tokens:
            await self.store.put_signal_waiter(a_waiter(token))
        for literal in _LITERALS:
            assert await self._tokens(literal) == sorted(one for one in tokens if one.startswith(literal)), literal

    @clause("SIGNAL-07")
    async def test_waiters_tokens_are_exact(self) -> None:
        for seq, token in enumerate(TWINS):
            await self.store.put_signal_waiter(a_waiter(token, seq=seq))
        assert len(await self.store.list_signal_waiters("")) == len(TWINS)
        for seq, token in enumerate(TWINS):
            assert await self.store.take_signal_waiter(token) == a_waiter(token, seq=seq)
            assert await self.store.take_signal_waiter(token) is None

    @clause("SIGNAL-08")
    async def test_buffered_tokens_are_exact(self) -> None:
        for token in TWINS:
            await self.store.buffer_signal(token, token)
        for token in TWINS:
            assert await self.store.take_buffered_signal(token) == BufferedSignal(payload=token)
            assert await self.store.take_buffered_signal(token) is None

    @clause("SIGNAL-09")
    async def test_payloads_are_first_in_first_out(self) -> None:
        for number in range(12):
            await self.store.buffer_signal(f"tok{number % 2}", number)
        for expected in range(0, 12, 2):
            assert await self.store.take_buffered_signal("tok0") == BufferedSignal(payload=expected)
        assert await self.store.take_buffered_signal("tok0") is None
        await self.store.buffer_signal("tok1", "last")
        for last in (1, 3, 5, 7, 9, 11, "last"):
            assert await self.store.take_buffered_signal("tok1") == BufferedSignal(payload=last)

    @clause("SIGNAL-10")
    async def test_none_is_buffered(self) -> None:
        for value in (None, *FALSY):
            await self.store.buffer_signal("tok", value)
        for value in (None, *FALSY):
            taken = await self.store.take_buffered_signal("tok")
            assert taken is not None, "a payload of None is not the same as no signal"
            assert (taken.payload, type(taken.payload)) == (value, type(value))
        assert await self.store.take_buffered_signal("tok") is None

    @clause("SIGNAL-11")
    async def test_a_bad_payload_is_not_buffered(self) -> None:
        for bad in (float("nan"), {1}, b"", [object()]):
            with pytest.raises(NotJsonSerializable):
                await self.store.buffer_signal("tok", bad)
        assert await self.store.take_buffered_signal("tok") is None

    @clause("SIGNAL-12")
    async def test_waiters_and_payloads_are_apart(self) -> None:
        await self.store.put_signal_waiter(a_waiter())
        await self.store.buffer_signal("tok", 1)
        assert await self.store.take_buffered_signal("tok") == BufferedSignal(payload=1)
        assert await self.store.take_signal_waiter("tok") == a_waiter()

    @clause("SIGNAL-20")
    async def test_one_taker_wins_the_waiter(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                waiter = a_waiter(f"tok{turn}", "r1", turn)
                await self.store.put_signal_waiter(waiter)
                got = await crew.together(lambda store, _number, token=waiter.token: store.take_signal_waiter(token))
                assert [one for one in got if one is not None] == [waiter]

    @clause("SIGNAL-21")
    async def test_takers_share_the_payloads(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                for number in range(9):
                    await self.store.buffer_signal(f"tok{turn}", number)
                got = await crew.together(lambda store, _number, token=f"tok{turn}": _drain(store, token))
                assert sorted(payload for one in got for payload in one) == list(range(9))

    @clause("SIGNAL-22")
    async def test_one_registration_stands(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                waiters = [a_waiter(f"tok{turn}", f"r{number}", number, f"p{number}") for number in range(crew.size)]
                await crew.together(lambda store, number, waiters=waiters: _put(store, waiters[number]))
                (stands,) = await self.store.list_signal_waiters(f"tok{turn}")
                assert stands in waiters
                await self.store.take_signal_waiter(f"tok{turn}")

    @clause("SIGNAL-23")
    async def test_take_against_remove(self) -> None:
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                waiter = a_waiter(f"tok{turn}")
                await self.store.put_signal_waiter(waiter)

                async def act(store: StateStore, number: int, waiter: SignalWaiter = waiter) -> bool:
                    if number:
                        return await store.remove_signal_waiter(waiter)
                    return await store.take_signal_waiter(waiter.token) is not None

                assert sorted(await crew.together(act)) == [False, True]

    @clause("SIGNAL-24")
    async def test_each_senders_order_is_kept(self) -> None:
        async with self.racers(3) as crew:
            for turn in crew.rounds(15):
                await crew.together(lambda store, number, token=f"tok{turn}": _send(store, token, number))
                taken = await _drain_pairs(self.store, f"tok{turn}")
                assert len(taken) == crew.size * 5
                for number in range(crew.size):
                    assert [index for sender, index in taken if sender == number] == list(range(5))

    async def _tokens(self, prefix: str) -> list[str]:
        return [one.token for one in await self.store.list_signal_waiters(prefix)]


async def _drain(store: StateStore, token: str) -> list[int]:
    got: list[int] = []
    while (taken := await store.take_buffered_signal(token)) is not None:
        got.append(taken.payload)
    return got


async def _drain_pairs(store: StateStore, token: str) -> list[tuple[int, int]]:
    got: list[tuple[int, int]] = []
    while (taken := await store.take_buffered_signal(token)) is not None:
        sender, index = taken.payload
        got.append((sender, index))
    return got


async def _put(store: StateStore, waiter: SignalWaiter) -> None:
    await store.put_signal_waiter(waiter)


async def _send(store: StateStore, token: str, number: int) -> None:
    for index in range(5):
        await store.buffer_signal(token, [number, index])
