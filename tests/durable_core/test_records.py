from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from durable_core.records import (
    LIVE_STATUSES,
    TERMINAL_STATUSES,
    UNSET,
    RunPatch,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)

AT = datetime(2024, 1, 1, tzinfo=UTC)
PATCHABLE = {field.name for field in dataclasses.fields(RunPatch)}
NEVER_NULL = {"workflow", "workflow_version", "status", "created_at", "updated_at"}


def _run(**fields: Any) -> WorkflowRun:
    required: dict[str, Any] = {
        "id": "r",
        "workflow": "w",
        "workflow_version": "1",
        "status": "pending",
        "created_at": AT,
        "updated_at": AT,
    }
    return WorkflowRun(**required | fields)


def test_a_patch_covers_every_field_of_a_run_but_its_id() -> None:
    assert {field.name for field in dataclasses.fields(WorkflowRun)} - PATCHABLE == {"id", "decode_errors"}


def test_an_empty_patch_changes_nothing() -> None:
    assert RunPatch().changes() == {}


@pytest.mark.parametrize("name", sorted(PATCHABLE - NEVER_NULL - {"namespace"}))
def test_none_clears_what_may_be_null(name: str) -> None:
    assert RunPatch(**{name: None}).changes() == {name: None}


@pytest.mark.parametrize("name", sorted(NEVER_NULL))
def test_none_leaves_alone_what_is_never_null(name: str) -> None:
    assert RunPatch(**{name: None}).changes() == {}


def test_a_cleared_namespace_is_the_default_one_and_an_empty_one_is_its_own() -> None:
    assert RunPatch(namespace=None).changes() == {"namespace": "default"}
    assert RunPatch(namespace="").changes() == {"namespace": ""}


def test_falsy_values_are_changes() -> None:
    patch = RunPatch(recovery_attempts=0, priority=0, output=False, tags=(), search_attributes={}, input="")
    assert patch.changes() == {
        "recovery_attempts": 0,
        "priority": 0,
        "output": False,
        "tags": (),
        "search_attributes": {},
        "input": "",
    }


def test_unset_says_its_name() -> None:
    assert repr(UNSET) == "UNSET"


def test_statuses_are_live_or_terminal_and_an_unknown_one_is_not_over() -> None:
    assert all(_run(status=status).is_terminal for status in TERMINAL_STATUSES)
    assert not any(_run(status=status).is_terminal for status in (*LIVE_STATUSES, "of a newer writer"))


def test_the_checkpoint_of_a_signal_is_a_completed_one_at_the_waiters_place() -> None:
    waiter = SignalWaiter(token="paid", run_id="r", seq=4, parallel_group="g")
    checkpoint = StepCheckpoint.of_signal(waiter, {"by": "card"}, AT)
    assert (checkpoint.run_id, checkpoint.seq, checkpoint.step_id) == ("r", 4, "r:4")
    assert (checkpoint.name, checkpoint.kind, checkpoint.status) == ("signal:paid", "signal", "completed")
    assert (checkpoint.output, checkpoint.parallel_group, checkpoint.attempts) == ({"by": "card"}, "g", 1)
    assert {checkpoint.enqueued_at, checkpoint.started_at, checkpoint.finished_at} == {AT}


def test_records_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _run().status = "completed"  # type: ignore[misc]
