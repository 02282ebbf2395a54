"""Patches: a field left out is untouched, None clears it, and a guard is checked by the statement that writes.

Guards under races of several processes: process_races. Not yet: a database that dies between two statements.
"""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import FALSY, LEASE_MS, NOW_MS, a_full_run, a_patch, a_run, at, but, ids
from durable_core.errors import InvalidValue, RunNotFound
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import AttributeValue, Guard, RunPatch, StepError, WorkflowRun

__all__ = ["PatchClauses"]

_CHANGES: dict[str, Any] = {
    "workflow": "refund",
    "workflow_version": "3",
    "status": "suspended",
    "input": [1],
    "output": {"new": True},
    "error": StepError(message="other"),
    "wake_at_ms": NOW_MS + 99,
    "locked_by": "w2",
    "locked_until_ms": LEASE_MS + 1,
    "awaiting_decision_task_id": "task-10",
    "recovery_attempts": 0,
    "tags": ("red",),
    "search_attributes": {"city": "Bonn"},
    "priority": 8,
    "namespace": "other",
    "origin": "api",
    "created_at": at(50),
    "updated_at": at(60),
}
_NEVER_NULL = ("workflow", "workflow_version", "status", "created_at", "updated_at")


class PatchClauses(ClauseGroup):
    """update_run."""

    @clause("PATCH-01")
    async def test_each_field_changes_alone(self) -> None:
        for number, (field, value) in enumerate(_CHANGES.items()):
            run_id = f"r{number}"
            await self.store.create_run(a_full_run(run_id))
            assert await self.store.update_run(run_id, a_patch(**{field: value})) is True
            assert await self.store.get_run(run_id) == but(a_full_run(run_id), **{field: value}), field
        await self.store.create_run(a_full_run("all"))
        await self.store.update_run("all", a_patch(**_CHANGES))
        assert await self.store.get_run("all") == WorkflowRun(id="all", **_CHANGES)

    @clause("PATCH-02")
    async def test_none_clears_a_field(self) -> None:
        for number, field in enumerate(_CHANGES):
            run_id = f"r{number}"
            await self.store.create_run(a_full_run(run_id))
            assert await self.store.update_run(run_id, a_patch(**{field: None})) is True
            cleared = {} if field in _NEVER_NULL else {field: "default" if field == "namespace" else None}
            assert await self.store.get_run(run_id) == but(a_full_run(run_id), **cleared), field

    @clause("PATCH-03")
    async def test_zero_is_not_none(self) -> None:
        await self.store.create_run(a_full_run())
        for value in (0, None, 0, 7):
            await self.store.update_run("r1", RunPatch(recovery_attempts=value, priority=value))
            run = await self._run()
            assert (run.recovery_attempts, run.priority) == (value, value)

    @clause("PATCH-04")
    async def test_an_empty_namespace_stays_empty(self) -> None:
        await self.store.create_run(a_full_run())
        await self.store.update_run("r1", RunPatch(namespace=""))
        assert (await self._run()).namespace == ""

    @clause("PATCH-05")
    async def test_falsy_payloads_are_kept(self) -> None:
        await self.store.create_run(a_full_run())
        for value in FALSY:
            await self.store.update_run("r1", RunPatch(input=value, output=value))
            run = await self._run()
            assert (run.input, run.output) == (value, value)
            assert type(run.output) is type(value)

    @clause("PATCH-06")
    async def test_an_empty_patch_only_checks(self) -> None:
        await self.store.create_run(a_full_run())
        assert await self.store.update_run("r1", RunPatch()) is True
        assert await self.store.update_run("r1", RunPatch(status=None)) is True
        assert await self.store.update_run("r1", RunPatch(), expect=Guard(statuses=("running",))) is True
        assert await self.store.update_run("r1", RunPatch(), expect=Guard(statuses=("pending",))) is False
        assert await self._run() == a_full_run()
        with pytest.raises(RunNotFound):
            await self.store.update_run("r2", RunPatch())
        assert await self.store.update_run("r2", RunPatch(), expect=Guard()) is False

    @clause("PATCH-07")
    async def test_a_patch_of_equal_values_succeeds(self) -> None:
        await self.store.create_run(a_full_run())
        same = RunPatch(status="running", priority=-5, output=["done", None, 1.5])
        for _ in range(2):
            assert await self.store.update_run("r1", same) is True
            assert await self.store.update_run("r1", same, expect=Guard(statuses=("running",))) is True
            assert await self.store.update_run("r1", same, expect=Guard(owner="w1:turn-1")) is True
        assert await self._run() == a_full_run()

    @clause("PATCH-08")
    async def test_a_patch_of_a_missing_run_creates_nothing(self) -> None:
        with pytest.raises(RunNotFound) as caught:
            await self.store.update_run("r1", RunPatch(status="running", search_attributes={"city": "Bonn"}))
        assert caught.value.run_id == "r1"
        assert await self.store.get_run("r1") is None
        await self.store.create_run(a_run())
        assert await self._with("city", "Bonn") == []

    @clause("PATCH-09")
    async def test_a_guarded_patch_of_a_missing_run_is_false(self) -> None:
        patch = RunPatch(status="running", search_attributes={"city": "Bonn"})
        assert await self.store.update_run("r1", patch, expect=Guard(statuses=("pending",))) is False
        assert await self.store.update_run("r1", patch, expect=Guard()) is False
        await self.store.create_run(a_run())
        assert await self._with("city", "Bonn") == []

    @clause("PATCH-10")
    async def test_a_guard_on_statuses(self) -> None:
        await self.store.create_run(a_full_run())
        patch = RunPatch(priority=1, search_attributes={"city": "Bonn"})
        for statuses in (("pending",), ("completed", "RUNNING"), ("runnin",), ()):
            assert await self.store.update_run("r1", patch, expect=Guard(statuses=statuses)) is False, statuses
        assert await self._run() == a_full_run()
        assert await self._with("city", "Köln") == ["r1"]
        assert await self.store.update_run("r1", patch, expect=Guard(statuses=("pending", "running"))) is True
        assert (await self._run()).priority == 1
        assert await self._with("city", "Bonn") == ["r1"]

    @clause("PATCH-11")
    async def test_a_guard_on_the_owner(self) -> None:
        await self.store.create_run(a_full_run("held"))
        await self.store.create_run(a_run("free"))
        for owner in ("w2", "W1:TURN-1", "w1:turn-", None):
            assert await self.store.update_run("held", RunPatch(priority=1), expect=Guard(owner=owner)) is False, owner
        assert await self.store.update_run("held", RunPatch(priority=1), expect=Guard(owner="w1:turn-1")) is True
        assert await self.store.update_run("free", RunPatch(priority=1), expect=Guard(owner="w1:turn-1")) is False
        assert await self.store.update_run("free", RunPatch(priority=1), expect=Guard(owner=None)) is True

    @clause("PATCH-12")
    async def test_a_guard_on_an_expired_lease(self) -> None:
        await self.store.create_run(a_full_run("held", locked_until_ms=NOW_MS))
        await self.store.create_run(a_run("free"))
        patch = RunPatch(priority=1)
        assert await self.store.update_run("held", patch, expect=Guard(lease_expired_ms=NOW_MS - 1)) is False
        assert await self.store.update_run("held", patch, expect=Guard(lease_expired_ms=NOW_MS)) is True
        assert await self.store.update_run("free", patch, expect=Guard(lease_expired_ms=NOW_MS - 1)) is True

    @clause("PATCH-13")
    async def test_all_conditions_of_a_guard_must_hold(self) -> None:
        await self.store.create_run(a_full_run(locked_until_ms=NOW_MS))
        right: dict[str, Any] = {"statuses": ("running",), "owner": "w1:turn-1", "lease_expired_ms": NOW_MS}
        wrong: dict[str, Any] = {"statuses": ("pending",), "owner": "w2", "lease_expired_ms": NOW_MS - 1}
        for one, value in wrong.items():
            expect = Guard(**right | {one: value})
            assert await self.store.update_run("r1", RunPatch(priority=1), expect=expect) is False, one
        assert await self.store.update_run("r1", RunPatch(priority=1), expect=Guard(**right)) is True

    @clause("PATCH-14")
    async def test_a_late_settle_leaves_cancelled_alone(self) -> None:
        await self.store.create_run(a_full_run())
        await self.store.update_run(
            "r1", RunPatch(status="cancelled", locked_by=None), expect=Guard(statuses=("running",))
        )
        before = await self._run()
        late = RunPatch(status="completed", output="late", search_attributes={"city": "late"})
        assert await self.store.update_run("r1", late, expect=Guard(statuses=("running",))) is False
        assert await self.store.update_run("r1", late, expect=Guard(owner="w1:turn-1")) is False
        assert await self._run() == before
        assert await self._with("city", "late") == []

    @clause("PATCH-15")
    async def test_patched_attributes_replace(self) -> None:
        for run_id in ("r1", "r2"):
            await self.store.create_run(a_run(run_id, search_attributes={"city": "Köln", "n": 1}))
        await self.store.update_run("r1", RunPatch(search_attributes={"n": 2}))
        assert await self._with("city", "Köln") == ["r2"]
        assert await self._with("n", 2) == ["r1"]
        await self.store.update_run("r1", RunPatch(search_attributes=None))
        assert await self._with("n", 2) == []
        assert (await self._run()).search_attributes is None
        await self.store.update_run("r2", RunPatch(priority=1))
        assert await self._with("n", 1) == ["r2"], "a patch without attributes leaves them"

    @clause("PATCH-16")
    async def test_a_bad_patch_writes_nothing(self) -> None:
        await self.store.create_run(a_full_run())
        bad: list[dict[str, Any]] = [
            *({"output": value} for value in (float("nan"), {1}, b"", [object()])),
            *({"search_attributes": value} for value in ({"n": float("nan")}, {"n": [1]}, {"n": "x" * 192}, [1])),
            *({"updated_at": value} for value in (at(0).replace(tzinfo=None),)),
            *({"wake_at_ms": value} for value in (10**18, 1.5)),
            *({"priority": value} for value in (2**31, "1")),
            *({"locked_by": value} for value in ("", "w1 ", "w\0", "x" * 192)),
            *({"status": value} for value in ("", "x" * 192)),
        ]
        for changes in bad:
            with pytest.raises(InvalidValue):
                await self.store.update_run("r1", RunPatch(workflow="changed", **changes))
            with pytest.raises(InvalidValue):
                await self.store.update_run("r1", RunPatch(workflow="changed", **changes), expect=Guard())
            assert await self._run() == a_full_run(), changes
        assert await self._with("city", "Köln") == ["r1"]

    @clause("PATCH-17")
    async def test_a_patch_touches_one_run(self) -> None:
        for run_id in ("r1", "R1", "r11"):
            await self.store.create_run(a_full_run(run_id))
        await self.store.update_run("r1", a_patch(**_CHANGES))
        for run_id in ("R1", "r11"):
            assert await self.store.get_run(run_id) == a_full_run(run_id)

    @clause("PATCH-20")
    async def test_one_ending_wins(self) -> None:
        endings = ("completed", "cancelled")
        async with self.racers(2) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id, status="running"))
                done = await crew.together(
                    lambda store, number, run_id=run_id: store.update_run(
                        run_id,
                        RunPatch(status=endings[number], output=endings[number]),
                        expect=Guard(statuses=("running",)),
                    )
                )
                assert sorted(done) == [False, True]
                run = await self._run(run_id)
                assert (run.status, run.output) == (endings[done.index(True)],) * 2

    @clause("PATCH-21")
    async def test_patches_of_different_fields_all_arrive(self) -> None:
        patches: tuple[dict[str, Any], ...] = (
            {"output": "kept", "priority": 4},
            {"tags": ("kept",), "origin": "api"},
            {"search_attributes": {"kept": True}},
        )
        async with self.racers(3) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id, namespace="default", search_attributes={"old": 1}))
                await crew.together(
                    lambda store, number, run_id=run_id: store.update_run(run_id, a_patch(**patches[number]))
                )
                expected = patches[0] | patches[1] | patches[2]
                assert await self._run(run_id) == a_run(run_id, namespace="default", **expected)

    async def _run(self, run_id: str = "r1") -> WorkflowRun:
        run = await self.store.get_run(run_id)
        assert run is not None
        return run

    async def _with(self, key: str, value: AttributeValue) -> list[str]:
        return ids(await self.store.list_runs(RunQuery(attributes=(AttributeFilter(key=key, op="eq", value=value),))))
