"""Instants: to the millisecond, in UTC, wherever the process, the session and the year may be.

Not yet: local times that another tool wrote to MySQL, and mixed representations in one SQLite file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import (
    LEASE_MS,
    NOW,
    NOW_MS,
    a_checkpoint,
    a_full_checkpoint,
    a_full_run,
    a_patch,
    a_run,
    an_event,
    at,
    but,
    ids,
)
from durable_core.errors import InvalidInstant
from durable_core.instants import from_ms
from durable_core.queries import RunQuery
from durable_core.records import RunPatch

__all__ = ["InstantClauses"]

#: The first and the last milliseconds around zero, 32 bits, a leap day, both ends of a summer time, and year 9999.
_INSTANTS_MS = (
    *(0, 1, 999, 1000, -1, -999, -1001, -62_135_510_400_000, -2_208_988_800_000, 2**31 * 1000 - 1, 2**31 * 1000 + 1),
    *(951_782_400_000, 1_774_746_000_000, 1_774_749_599_999, 1_792_890_000_001, 253_402_300_799_999),
)
_ZONES = ("America/Sao_Paulo", "Asia/Kolkata", "Europe/Berlin", "Pacific/Kiritimati")


class InstantClauses(ClauseGroup):
    """Every deadline and every stamp."""

    @clause("TIME-01")
    async def test_every_millisecond_is_kept(self) -> None:
        for number, ms in enumerate(_INSTANTS_MS):
            when, run_id = from_ms(ms), f"r{number}"
            run = a_run(
                run_id, namespace="default", created_at=when, updated_at=when, wake_at_ms=ms, locked_until_ms=ms
            )
            await self.store.create_run(run)
            assert await self.store.get_run(run_id) == run
            stamps = {"enqueued_at": when, "started_at": when, "finished_at": when, "wake_at_ms": ms}
            await self.store.save_checkpoint(a_checkpoint(0, run_id, **stamps))
            assert await self.store.get_checkpoint(run_id, 0) == a_checkpoint(0, run_id, **stamps)
            await self.store.buffer_event(an_event(run_id, name=run_id, published_at_ms=ms))
            assert await self.store.list_buffered_events(run_id, 1) == [
                an_event(run_id, name=run_id, published_at_ms=ms)
            ]

    @clause("TIME-02")
    async def test_microseconds_are_cut(self) -> None:
        for number, whole in enumerate((NOW, datetime(1969, 12, 31, 23, 59, 59, 998_000, UTC))):
            fine = whole + timedelta(microseconds=999)
            await self.store.create_run(a_run(f"r{number}", created_at=fine, updated_at=fine))
            await self.store.save_checkpoint(a_checkpoint(number, enqueued_at=fine, started_at=fine, finished_at=fine))
            for store in (self.store, await self.open()):
                run = await store.get_run(f"r{number}")
                assert run is not None
                assert (run.created_at, run.updated_at) == (whole, whole)
                read = await store.get_checkpoint("r1", number)
                assert read is not None
                assert (read.enqueued_at, read.started_at, read.finished_at) == (whole, whole, whole)

    @clause("TIME-03")
    async def test_any_zone_comes_back_as_utc(self) -> None:
        for number, zone in enumerate((timezone(timedelta(hours=-3)), timezone(timedelta(hours=5, minutes=30)))):
            local = NOW.astimezone(zone)
            await self.store.create_run(a_run(f"r{number}", created_at=local, updated_at=local))
            await self.store.save_checkpoint(a_checkpoint(number, started_at=local))
            run, read = await self.store.get_run(f"r{number}"), await self.store.get_checkpoint("r1", number)
            assert run is not None
            assert read is not None
            for stamp in (run.created_at, run.updated_at, read.started_at):
                assert stamp == NOW
                assert stamp.tzinfo is UTC

    @clause("TIME-04")
    async def test_naive_datetimes_are_refused(self) -> None:
        naive = NOW.replace(tzinfo=None)
        await self.store.create_run(a_full_run())
        await self.store.save_checkpoint(a_full_checkpoint())
        for field in ("created_at", "updated_at"):
            with pytest.raises(InvalidInstant, match=field):
                await self.store.create_run(but(a_run("r2"), **{field: naive}))
            with pytest.raises(InvalidInstant, match=field):
                await self.store.update_run("r1", a_patch(**{field: naive}))
        for field in ("enqueued_at", "started_at", "finished_at"):
            with pytest.raises(InvalidInstant, match=field):
                await self.store.save_checkpoint(but(a_checkpoint(), **{field: naive}))
        with pytest.raises(InvalidInstant):
            await self.store.deliver_signal("tok", 1, naive)
        with pytest.raises(InvalidInstant):
            await self.store.suspend_run("r1", "w1:turn-1", NOW_MS, naive)
        assert await self.store.list_runs(RunQuery()) == [a_full_run()]
        assert await self.store.list_checkpoints("r1") == [a_full_checkpoint()]
        assert await self.store.take_buffered_signal("tok") is None

    @clause("TIME-05")
    async def test_bad_deadlines_are_refused(self) -> None:
        await self.store.create_run(a_full_run())
        for bad in (10**18, -(10**18), 1.5, True, "5"):
            with pytest.raises(InvalidInstant):
                await self.store.create_run(a_run("r2", wake_at_ms=bad))
            with pytest.raises(InvalidInstant):
                await self.store.update_run("r1", RunPatch(locked_until_ms=bad))  # type: ignore[arg-type]
            with pytest.raises(InvalidInstant):
                await self.store.save_checkpoint(a_checkpoint(wake_at_ms=bad))
            with pytest.raises(InvalidInstant):
                await self.store.suspend_run("r1", "w1:turn-1", bad, NOW)  # type: ignore[arg-type]
            with pytest.raises(InvalidInstant):
                await self.store.try_lock_run("r1", "w2", bad, LEASE_MS + 1)  # type: ignore[arg-type]
        assert await self.store.list_runs(RunQuery()) == [a_full_run()]
        assert await self.store.list_checkpoints("r1") == []

    @clause("TIME-06")
    async def test_instants_compare_as_instants(self) -> None:
        in_order = sorted(_INSTANTS_MS)
        for ms in _INSTANTS_MS:
            run_id = f"r{in_order.index(ms):02}"
            await self.store.create_run(a_run(run_id, status="suspended", wake_at_ms=ms, created_at=from_ms(ms)))
            await self.store.buffer_event(an_event(run_id, published_at_ms=ms))
        everything = [f"r{number:02}" for number in range(len(in_order))]
        assert ids(await self.store.list_runs(RunQuery())) == everything[::-1]
        assert ids(await self.store.list_buffered_events("paid", 99)) == everything
        for number, ms in enumerate(in_order):
            assert ids(await self.store.list_due_timers(ms)) == everything[: number + 1], ms
            before = RunQuery(before=(from_ms(ms), everything[number]))
            assert ids(await self.store.list_runs(before)) == everything[:number][::-1]

    @clause("TIME-07")
    async def test_the_zone_of_the_process_does_not_matter(self) -> None:
        for number, zone in enumerate(_ZONES):
            with _zone_of_the_process(zone):
                store = await self.open()
                for offset, ms in enumerate(_INSTANTS_MS):
                    run = a_run(f"r{number}-{offset}", namespace="default", created_at=from_ms(ms), wake_at_ms=ms)
                    await store.create_run(run)
                    assert await store.get_run(run.id) == run, zone
            for offset, ms in enumerate(_INSTANTS_MS):
                run = a_run(f"r{number}-{offset}", namespace="default", created_at=from_ms(ms), wake_at_ms=ms)
                assert await self.store.get_run(run.id) == run, zone

    @clause("TIME-08", needs=(Need.POSTGRES,))
    async def test_the_zone_of_the_session_does_not_matter(self) -> None:
        full = a_full_run()
        await self.store.create_run(full)
        ((database,),) = self.sql.execute("SELECT current_database()")
        self.sql.execute(f"ALTER DATABASE {database} SET timezone = 'Asia/Kolkata'")
        try:
            store = await self.open()
            assert await store.get_run("r1") == full
            await store.create_run(a_full_run("r2"))
            await store.save_checkpoint(a_full_checkpoint())
            assert ids(await store.list_runs(RunQuery(before=(at(-5), "r2")))) == ["r1"]
            assert await store.try_lock_run("r2", "w2", LEASE_MS + 1, LEASE_MS - 1) is False
            assert await store.try_lock_run("r2", "w2", LEASE_MS + 1, LEASE_MS) is True
        finally:
            self.sql.execute(f"ALTER DATABASE {database} RESET timezone")
        assert await self.store.get_run("r2") == a_full_run("r2", locked_by="w2", locked_until_ms=LEASE_MS + 1)
        assert await self.store.list_checkpoints("r1") == [a_full_checkpoint()]


@contextmanager
def _zone_of_the_process(zone: str) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this platform cannot change the time zone of a process")
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
