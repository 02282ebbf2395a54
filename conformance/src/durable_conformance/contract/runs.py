"""Runs: created once, read exactly, deleted whole.

Creates in several processes: process_races. Not yet: a delete whose third statement fails (fault injection).
"""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import NOW, TWINS, a_checkpoint, a_full_run, a_run, a_waiter, ids
from durable_core.errors import DurableError, InvalidValue, NotJsonSerializable
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import WorkflowRun

__all__ = ["RunClauses"]

#: A dict key makes this text, and the attribute's column would have to cut it.
_TOO_LONG = "x" * 192
_BAD_VALUES: tuple[Any, ...] = (float("nan"), float("inf"), [1], {}, b"b", _TOO_LONG, "nul\0", "\ud800", 10**400)


class RunClauses(ClauseGroup):
    """create_run, get_run, delete_run."""

    @clause("RUN-01")
    async def test_a_run_reads_back_as_it_was(self) -> None:
        assert await self.store.create_run(a_full_run()) is True
        assert await self.store.get_run("r1") == a_full_run()
        assert await (await self.open()).get_run("r1") == a_full_run()

    @clause("RUN-02")
    async def test_what_is_left_out_stays_out(self) -> None:
        await self.store.create_run(a_run())
        assert await self.store.get_run("r1") == a_run(namespace="default")

    @clause("RUN-03")
    async def test_a_missing_run_reads_as_none(self) -> None:
        assert await self.store.get_run("r1") is None

    @clause("RUN-04")
    async def test_a_second_create_changes_nothing(self) -> None:
        await self.store.create_run(a_full_run())
        other = a_run(
            workflow="refund", input={"other": True}, search_attributes={"city": "Bonn", "new": 1}, tags=("x",)
        )
        assert await self.store.create_run(other) is False
        assert await self.store.get_run("r1") == a_full_run()
        for key, value, found in (("city", "Köln", ["r1"]), ("city", "Bonn", []), ("new", 1, [])):
            one = AttributeFilter(key=key, op="eq", value=value)
            assert ids(await self.store.list_runs(RunQuery(attributes=(one,)))) == found
        assert await self.store.create_run(a_full_run()) is False, "the same record again is no new run either"

    @clause("RUN-05")
    async def test_bad_attributes_leave_no_row(self) -> None:
        bad: list[dict[str, Any]] = [
            *({"search_attributes": {"fine": 1, "bad": value}} for value in _BAD_VALUES),
            *({"search_attributes": {key: 1}} for key in ("", _TOO_LONG, "nul\0", 7)),
            *({"tags": tags} for tags in (("ok", "nul\0"), ("ok", 7), "text")),
        ]
        for changes in bad:
            with pytest.raises(InvalidValue):
                await self.store.create_run(a_run(**changes))
            assert await self.store.get_run("r1") is None, changes
        assert await self.store.list_runs(RunQuery()) == []

    @clause("RUN-06")
    async def test_bad_payloads_leave_no_row(self) -> None:
        for field in ("input", "output"):
            for value in (float("nan"), {"deep": [float("-inf")]}, {1, 2}, b"bytes", object()):
                with pytest.raises(NotJsonSerializable, match=field):
                    await self.store.create_run(a_run(**{field: value}))
                assert await self.store.get_run("r1") is None

    @clause("RUN-07")
    async def test_delete_removes_all_of_a_run(self) -> None:
        for run_id in ("r1", "r2"):
            await self.store.create_run(a_run(run_id, search_attributes={"city": "Köln"}))
            await self.store.save_checkpoint(a_checkpoint(0, run_id))
            await self.store.save_checkpoint(a_checkpoint(-1, run_id))
            await self.store.put_signal_waiter(a_waiter(f"tok:{run_id}", run_id))
        await self.store.delete_run("r1")
        assert await self.store.get_run("r1") is None
        assert await self.store.list_checkpoints("r1") == []
        assert [one.token for one in await self.store.list_signal_waiters("")] == ["tok:r2"]
        await self.store.create_run(a_run("r1"))
        city = RunQuery(attributes=(AttributeFilter(key="city", op="eq", value="Köln"),))
        assert ids(await self.store.list_runs(city)) == ["r2"], "the old attributes must not come back with the id"
        assert len(await self.store.list_checkpoints("r2")) == 2

    @clause("RUN-08")
    async def test_delete_of_a_missing_run_does_nothing(self) -> None:
        await self.store.create_run(a_run("r2"))
        await self.store.delete_run("r1")
        assert ids(await self.store.list_runs(RunQuery())) == ["r2"]

    @clause("RUN-09")
    async def test_delete_removes_the_child_signals(self) -> None:
        others = ("child:r11", "child:R1", "child:r", "r1")
        await self.store.create_run(a_run())
        for token in ("child:r1", "child:r1", *others):
            await self.store.buffer_signal(token, token)
        await self.store.delete_run("r1")
        assert await self.store.take_buffered_signal("child:r1") is None
        for token in others:
            assert await self.store.take_buffered_signal(token) is not None, token

    @clause("RUN-10")
    async def test_records_are_private_copies(self) -> None:
        run = a_full_run()
        await self.store.create_run(run)
        run.input["order"] = "changed"
        assert run.search_attributes is not None
        run.search_attributes["city"] = "changed"
        for read in (await self.store.get_run("r1"), (await self.store.list_runs(RunQuery()))[0]):
            assert read == a_full_run()
            assert read is not None
            assert read.search_attributes is not None
            read.input["lines"][0]["sku"] = "changed"
            read.output.append("changed")
            read.search_attributes["city"] = "changed"
        assert await self.store.get_run("r1") == a_full_run()

    @clause("RUN-11")
    async def test_an_unknown_status_is_passed_through(self) -> None:
        await self.store.create_run(a_run(status="hibernating"))
        run = await self.store.get_run("r1")
        assert run is not None
        assert run.status == "hibernating"
        assert not run.is_terminal
        assert ids(await self.store.list_runs(RunQuery(status="hibernating"))) == ["r1"]

    @clause("RUN-12")
    async def test_ids_are_exact(self) -> None:
        for number, run_id in enumerate(TWINS):
            assert await self.store.create_run(a_run(run_id, input=number)) is True, run_id
        for number, run_id in enumerate(TWINS):
            run = await self.store.get_run(run_id)
            assert run is not None
            assert (run.id, run.input) == (run_id, number)
        await self.store.delete_run(TWINS[0])
        assert sorted(ids(await self.store.list_runs(RunQuery()))) == sorted(TWINS[1:])

    @clause("RUN-13")
    async def test_an_empty_namespace_is_not_the_default(self) -> None:
        await self.store.create_run(a_run(namespace=""))
        run = await self.store.get_run("r1")
        assert run is not None
        assert run.namespace == ""
        assert await self.store.list_pending_runs(10, "default") == []
        assert ids(await self.store.list_pending_runs(10, "")) == ["r1"]

    @clause("RUN-14")
    async def test_numbers_of_32_bits(self) -> None:
        for number, value in enumerate((0, -1, 2**31 - 1, -(2**31))):
            await self.store.create_run(a_run(f"r{number}", priority=value, recovery_attempts=value))
            run = await self.store.get_run(f"r{number}")
            assert run is not None
            assert (run.priority, run.recovery_attempts) == (value, value)
        for too_much in (2**31, -(2**31) - 1, 1.5, True, "1"):
            with pytest.raises(InvalidValue):
                await self.store.create_run(a_run("bad", priority=too_much))
        assert await self.store.get_run("bad") is None

    @clause("RUN-15")
    async def test_a_blank_origin_is_unknown(self) -> None:
        await self.store.create_run(a_run("r1", origin=""))
        await self.store.create_run(a_run("r2", origin="  "))
        await self.store.create_run(a_run("r3", origin="cron"))
        assert ids(await self.store.list_runs(RunQuery(origin=None))) == ["r2", "r1"]
        run = await self.store.get_run("r2")
        assert run is not None
        assert run.origin is None

    @clause("RUN-16")
    async def test_a_refused_create_leaves_the_old_run(self) -> None:
        await self.store.create_run(a_full_run())
        with pytest.raises(DurableError):
            await self.store.create_run(a_run(input=float("nan")))
        assert await self.store.get_run("r1") == a_full_run()

    @clause("RUN-20")
    async def test_one_creator_wins(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                made = await crew.together(lambda store, number, run_id=run_id: store.create_run(_by(run_id, number)))
                assert sorted(made) == [False] * (crew.size - 1) + [True]
                winner = made.index(True)
                run = await self.store.get_run(f"r{turn}")
                assert run is not None
                assert run == _by(run.id, winner)
                for number in range(crew.size):
                    mine = RunQuery(attributes=(AttributeFilter(key="by", op="eq", value=number),), status="pending")
                    found = [one for one in ids(await self.store.list_runs(mine)) if one == run.id]
                    assert found == [run.id] * (number == winner), "the attributes must be the winner's"


def _by(run_id: str, number: int) -> WorkflowRun:
    return a_run(run_id, input={"by": number}, search_attributes={"by": number}, namespace="default", created_at=NOW)
