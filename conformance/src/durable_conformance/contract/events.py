"""Buffered events: kept once, listed oldest first, removed by exactly one.

Not yet: removal in several processes, and the claim of an event together with its checkpoint.
"""

from __future__ import annotations

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import FALSY, NOW_MS, TWINS, an_event, but, ids
from durable_core.errors import InvalidValue, NotJsonSerializable
from durable_core.records import BufferedEvent
from durable_core.store import StateStore

__all__ = ["EventClauses"]


class EventClauses(ClauseGroup):
    """buffer_event, list_buffered_events, remove_buffered_event."""

    @clause("EVENT-01")
    async def test_events_are_listed_oldest_first(self) -> None:
        events = [an_event(f"e{age}", published_at_ms=NOW_MS - age, payload={"age": age}) for age in (3, 1, 2)]
        for event in events:
            await self.store.buffer_event(event)
        await self.store.buffer_event(an_event("other", name="shipped", published_at_ms=NOW_MS - 99))
        expected = [events[0], events[2], events[1]]
        for _ in range(2):
            assert await self.store.list_buffered_events("paid", 10) == expected
        assert await (await self.open()).list_buffered_events("unknown", 10) == []

    @clause("EVENT-02")
    async def test_limits_of_events(self) -> None:
        for number in range(5):
            await self.store.buffer_event(an_event(f"e{number}", published_at_ms=NOW_MS - number))
        assert ids(await self.store.list_buffered_events("paid", 2)) == ["e4", "e3"]
        assert ids(await self.store.list_buffered_events("paid", 99)) == ["e4", "e3", "e2", "e1", "e0"]
        assert await self.store.list_buffered_events("paid", 0) == []
        with pytest.raises(InvalidValue):
            await self.store.list_buffered_events("paid", -1)

    @clause("EVENT-03")
    async def test_an_event_is_removed_once(self) -> None:
        for event_id in ("e1", "e2"):
            await self.store.buffer_event(an_event(event_id))
        assert await self.store.remove_buffered_event("e1") is True
        assert await self.store.remove_buffered_event("e1") is False
        assert await self.store.remove_buffered_event("e3") is False
        assert ids(await self.store.list_buffered_events("paid", 9)) == ["e2"]

    @clause("EVENT-04")
    async def test_ties_are_broken_by_id(self) -> None:
        for event_id in ("c", "a", "d", "b"):
            await self.store.buffer_event(an_event(event_id))
        for _ in range(2):
            assert ids(await self.store.list_buffered_events("paid", 9)) == ["a", "b", "c", "d"]

    @clause("EVENT-05")
    async def test_milliseconds_count(self) -> None:
        for number, event_id in enumerate(("d", "c", "b", "a")):
            await self.store.buffer_event(an_event(event_id, published_at_ms=NOW_MS + number))
        listed = await self.store.list_buffered_events("paid", 9)
        assert ids(listed) == ["d", "c", "b", "a"]
        assert [one.published_at_ms - NOW_MS for one in listed] == [0, 1, 2, 3]

    @clause("EVENT-06")
    async def test_the_first_event_of_an_id_stays(self) -> None:
        first = an_event("e1", payload="first")
        await self.store.buffer_event(first)
        for other in (
            but(first, payload="other"),
            but(first, name="shipped"),
            but(first, published_at_ms=1),
            first,
        ):
            await self.store.buffer_event(other)
            assert await self.store.list_buffered_events("paid", 9) == [first]
            assert await self.store.list_buffered_events("shipped", 9) == []

    @clause("EVENT-07")
    async def test_names_and_ids_are_exact(self) -> None:
        for twin in TWINS:
            await self.store.buffer_event(an_event(twin, name=twin))
        for twin in TWINS:
            assert await self.store.list_buffered_events(twin, 9) == [an_event(twin, name=twin)]
        assert await self.store.remove_buffered_event(TWINS[0]) is True
        for twin in TWINS[1:]:
            assert ids(await self.store.list_buffered_events(twin, 9)) == [twin]

    @clause("EVENT-08")
    async def test_payloads_are_kept(self) -> None:
        values = [None, *FALSY, {"deep": [1, None]}]
        for number, value in enumerate(values):
            await self.store.buffer_event(an_event(f"e{number}", payload=value))
        read = await self.store.list_buffered_events("paid", 9)
        assert [one.payload for one in read] == values
        assert [type(one.payload) for one in read] == list(map(type, values))
        read[-1].payload["deep"].append("changed")
        assert (await self.store.list_buffered_events("paid", 9))[-1].payload == {"deep": [1, None]}

    @clause("EVENT-09")
    async def test_a_bad_event_is_refused(self) -> None:
        for bad in (float("nan"), {1}, b""):
            with pytest.raises(NotJsonSerializable):
                await self.store.buffer_event(an_event(payload=bad))
        for event in (an_event(published_at_ms=10**18), an_event(id=""), an_event(name="x" * 192)):
            with pytest.raises(InvalidValue):
                await self.store.buffer_event(event)
        assert await self.store.list_buffered_events("paid", 9) == []

    @clause("EVENT-20")
    async def test_one_remover_wins(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                await self.store.buffer_event(an_event(f"e{turn}"))
                done = await crew.together(lambda store, _number, turn=turn: store.remove_buffered_event(f"e{turn}"))
                assert done.count(True) == 1
                assert done.count(False) == crew.size - 1

    @clause("EVENT-21")
    async def test_one_publisher_stands(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                events = [an_event(f"e{turn}", name=f"n{turn}", payload=number) for number in range(crew.size)]
                await crew.together(lambda store, number, events=events: _buffer(store, events[number]))
                (kept,) = await self.store.list_buffered_events(f"n{turn}", 9)
                assert kept in events


async def _buffer(store: StateStore, event: BufferedEvent) -> None:
    await store.buffer_event(event)
