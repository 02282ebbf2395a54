"""Record ↔ row, exactly once: what is written, what is read whoever wrote it, and what is damaged."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core.codec import JsonCodec
from durable_core.instants import to_ms
from durable_core.records import BufferedEvent, RunPatch, StepError
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE, Dialect
from durable_sql.rows import Rows, attribute_rows
from durable_sql.schema.tables import CHECKPOINTS, EVENTS, RUNS
from peewee_cells import NOW, NOW_MS, a_checkpoint, a_run

_ROWS = Rows(JsonCodec())
_DIALECTS = pytest.mark.parametrize("dialect", [SQLITE, POSTGRES, MYSQL], ids=lambda dialect: dialect.name)


@_DIALECTS
def test_every_column_comes_back(dialect: Dialect) -> None:
    run = a_run(
        "r",
        input={"a": [1, "é", None]},
        output="null",
        error=StepError(message="no", code="E1", retryable=False, stack="at"),
        wake_at_ms=NOW_MS,
        locked_by="o",
        locked_until_ms=NOW_MS + 1,
        awaiting_decision_task_id="d",
        recovery_attempts=0,
        tags=("a", '"'),
        search_attributes={"n": 1.5, "b": True, "s": "x", "z": None},
        priority=-1,
        namespace="",
        origin="cli",
    )
    checkpoint = a_checkpoint(
        "r",
        -1,
        enqueued_at=NOW,
        input=0,
        output=False,
        error=StepError(message=""),
        events=[{"type": "log"}],
        worker_group="g",
        parallel_group="p",
        wake_at_ms=NOW_MS,
    )
    event = BufferedEvent(id="e", name="n", published_at_ms=NOW_MS, payload="")

    run_row, checkpoint_row = _ROWS.run_row(dialect, run), _ROWS.checkpoint_row(dialect, checkpoint)

    assert tuple(run_row) == RUNS.column_names
    assert tuple(checkpoint_row) == CHECKPOINTS.column_names
    assert tuple(_ROWS.event_row(dialect, event)) == EVENTS.column_names
    assert _ROWS.run(run_row) == run
    assert _ROWS.checkpoint(checkpoint_row) == checkpoint
    assert _ROWS.event(_ROWS.event_row(dialect, event)) == event


def test_nothing_is_null_and_nothing_else_is() -> None:
    row = _ROWS.run_row(SQLITE, a_run("r"))

    given = {"id", "workflow", "workflow_version", "status", "namespace", "created_at", "updated_at"}
    assert {name for name, value in row.items() if value is not None} == given
    assert row["namespace"] == "default"
    assert _ROWS.run_row(SQLITE, a_run("r", origin="  "))["origin"] is None
    for value, text in ((0, "0"), (False, "false"), ("", '""'), ([], "[]"), ({}, "{}"), ("null", '"null"')):
        assert _ROWS.run_row(SQLITE, a_run("r", input=value))["input"] == text


def test_a_checkpoint_without_a_queue_began_where_it_started() -> None:
    row = _ROWS.checkpoint_row(SQLITE, a_checkpoint("r", 0))

    assert row["enqueued_at"] == row["started_at"]
    assert _ROWS.checkpoint({**row, "enqueued_at": None}).enqueued_at == NOW


def test_a_patch_writes_the_columns_that_it_names() -> None:
    patch = RunPatch(wake_at_ms=None, output=[1], status=None, namespace=None, tags=("x",))

    assert _ROWS.run_columns(SQLITE, patch.changes()) == {
        "output": "[1]",
        "wake_at": None,
        "tags": '["x"]',
        "namespace": "default",
    }


def test_rows_of_other_writers_are_read() -> None:
    row = _ROWS.run_row(SQLITE, a_run("r"))
    theirs = {
        **row,
        "namespace": None,
        "status": "hibernating",
        "error": '{"message":"no","cause":{"unknown":"key"}}',
        "wake_at": "2026-11-22T12:00:00.000999Z",
    }

    run = _ROWS.run(theirs)

    assert (run.namespace, run.status, run.wake_at_ms) == ("default", "hibernating", to_ms(NOW))
    assert run.error == StepError(message="no")
    assert run.decode_errors == ()


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("input", "{"),
        ("output", ""),
        ("output", "[" * 100_000),
        ("error", '"no object"'),
        ("error", '{"message":1}'),
        ("tags", '{"a":1}'),
        ("tags", '["a",1]'),
        ("search_attributes", "[]"),
    ],
)
def test_damage_costs_its_own_field_and_one_warning(column: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    whole = a_run("r-1", input=1, output=2, error=StepError(message="m"), tags=("t",), search_attributes={"n": 1})
    row: dict[str, Any] = {**_ROWS.run_row(SQLITE, whole), column: text}

    run = _ROWS.run(row)

    assert getattr(run, column) is None
    assert run.decode_errors == (column,)
    others = {"input", "output", "error", "tags", "search_attributes"} - {column}
    assert all(getattr(run, name) == getattr(whole, name) for name in others)
    assert len(caplog.records) == 1
    assert f"durable_workflow_runs.{column} of run 'r-1'" in caplog.text


def test_damaged_events_of_a_checkpoint_are_told_with_their_place(caplog: pytest.LogCaptureFixture) -> None:
    row = {**_ROWS.checkpoint_row(SQLITE, a_checkpoint("r", 3)), "events": "[1]"}

    assert _ROWS.checkpoint(row).decode_errors == ("events",)
    assert "durable_step_checkpoints.events of checkpoint 3 of run 'r'" in caplog.text


def test_attributes_are_indexed_by_kind() -> None:
    rows = attribute_rows("r", '{"b":true,"f":false,"i":1,"n":0.5,"s":"1","z":null}')

    assert [(row["key"], row["str_value"], row["num_value"]) for row in rows] == [
        ("b", "true", None),
        ("f", "false", None),
        ("i", None, 1.0),
        ("n", None, 0.5),
        ("s", "1", None),
    ]
    assert attribute_rows("r", None) == []


def test_the_codec_is_asked_for_payloads_alone() -> None:
    class Sealed:
        def encode(self, value: object, field: str) -> str:
            return f"sealed {field}"

        def decode(self, text: str) -> Any:
            return text.removeprefix("sealed ")

    rows = Rows(Sealed())
    row = rows.run_row(SQLITE, a_run("r", input=1, tags=("clear",), error=StepError(message="clear")))

    assert row["input"] == "sealed run input"
    assert row["output"] is None
    assert row["tags"] == '["clear"]'
    assert rows.run(row).input == "run input"
    assert rows.signal_payload(None) is None
    assert rows.signal_payload(1) == "sealed signal payload"
