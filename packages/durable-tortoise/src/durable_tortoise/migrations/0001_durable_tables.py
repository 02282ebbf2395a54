"""The six durable tables."""

from __future__ import annotations

from typing import ClassVar

from tortoise import migrations
from tortoise.fields import FloatField
from tortoise.indexes import Index
from tortoise.migrations.operations import CreateModel, Operation

from durable_tortoise.fields import CompositeKeyField, InstantField, JsonField, KeyField, SequenceField, WholeField
from durable_tortoise.migration_operations import EnsureDurableTables, ModelsOnly

__all__ = ["Migration"]

_RUNS = CreateModel(
    "DurableWorkflowRun",
    fields=[
        ("id", KeyField(primary_key=True)),
        ("workflow", KeyField()),
        ("workflow_version", KeyField()),
        ("status", KeyField()),
        ("input", JsonField(null=True)),
        ("output", JsonField(null=True)),
        ("error", JsonField(null=True)),
        ("wake_at", InstantField(null=True)),
        ("locked_by", KeyField(null=True)),
        ("locked_until", InstantField(null=True)),
        ("awaiting_decision_task_id", KeyField(null=True)),
        ("recovery_attempts", WholeField(null=True)),
        ("tags", JsonField(null=True)),
        ("search_attributes", JsonField(null=True)),
        ("priority", WholeField(null=True)),
        ("namespace", KeyField(default="default", db_default="default")),
        ("origin", KeyField(null=True)),
        ("created_at", InstantField()),
        ("updated_at", InstantField()),
    ],
    options={
        "table": "durable_workflow_runs",
        "pk_attr": "id",
        "indexes": [
            Index(fields=["status", "wake_at"], name="durable_runs_status_idx"),
            Index(fields=["workflow", "status"], name="durable_runs_workflow_status_idx"),
            Index(fields=["namespace", "status", "created_at"], name="durable_runs_namespace_status_idx"),
            Index(fields=["created_at", "id"], name="durable_runs_created_idx"),
            Index(fields=["status", "updated_at", "id"], name="durable_runs_status_updated_idx"),
        ],
    },
)

_CHECKPOINTS = CreateModel(
    "DurableStepCheckpoint",
    fields=[
        ("run_id", KeyField()),
        ("seq", WholeField()),
        ("name", KeyField()),
        ("kind", KeyField()),
        ("status", KeyField()),
        ("input", JsonField(null=True)),
        ("output", JsonField(null=True)),
        ("error", JsonField(null=True)),
        ("events", JsonField(null=True)),
        ("attempts", WholeField()),
        ("worker_group", KeyField(null=True)),
        ("parallel_group", KeyField(null=True)),
        ("wake_at", InstantField(null=True)),
        ("enqueued_at", InstantField(null=True)),
        ("started_at", InstantField()),
        ("finished_at", InstantField()),
        ("step_id", CompositeKeyField(of=("run_id", "seq"))),
    ],
    options={"table": "durable_step_checkpoints", "pk_attr": "step_id"},
)

_ATTRIBUTES = CreateModel(
    "DurableRunAttribute",
    fields=[
        ("run_id", KeyField()),
        ("str_value", KeyField(null=True)),
        ("num_value", FloatField(null=True)),
        ("key", CompositeKeyField(of=("run_id", "key"))),
    ],
    options={
        "table": "durable_run_attributes",
        "pk_attr": "key",
        "indexes": [
            Index(fields=["key", "str_value"], name="durable_run_attributes_str_idx"),
            Index(fields=["key", "num_value"], name="durable_run_attributes_num_idx"),
        ],
    },
)

_WAITERS = CreateModel(
    "DurableSignalWaiter",
    fields=[
        ("token", KeyField(primary_key=True)),
        ("run_id", KeyField()),
        ("seq", WholeField()),
        ("parallel_group", KeyField(null=True)),
    ],
    options={
        "table": "durable_signal_waiters",
        "pk_attr": "token",
        "indexes": [Index(fields=["run_id"], name="durable_signal_waiters_run_idx")],
    },
)

_SIGNALS = CreateModel(
    "DurableBufferedSignal",
    fields=[("id", SequenceField()), ("token", KeyField()), ("payload", JsonField(null=True))],
    options={
        "table": "durable_buffered_signals",
        "pk_attr": "id",
        "indexes": [Index(fields=["token"], name="durable_buffered_signals_token_idx")],
    },
)

_EVENTS = CreateModel(
    "DurableBufferedEvent",
    fields=[
        ("id", KeyField(primary_key=True)),
        ("name", KeyField()),
        ("payload", JsonField(null=True)),
        ("published_at", InstantField()),
    ],
    options={
        "table": "durable_buffered_events",
        "pk_attr": "id",
        "indexes": [Index(fields=["name", "published_at"], name="durable_buffered_events_name_published_at_idx")],
    },
)


class Migration(migrations.Migration):
    """Under whatever label the host's configuration has the models."""

    initial = True
    operations: ClassVar[list[Operation]] = [  # type: ignore[misc] # Tortoise does not call it one
        EnsureDurableTables(),
        *map(ModelsOnly, (_RUNS, _CHECKPOINTS, _ATTRIBUTES, _WAITERS, _SIGNALS, _EVENTS)),
    ]
