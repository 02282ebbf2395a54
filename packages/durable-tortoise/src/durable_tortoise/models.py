"""The durable tables as Tortoise models, for the host to query; the library itself does not use them.

Register the module in the host's configuration: in an app of the host, or as an app of its own.
"""

from __future__ import annotations

from typing import Final

from tortoise.fields import FloatField, ReverseRelation
from tortoise.fields.relational import BackwardFKRelation
from tortoise.indexes import Index
from tortoise.models import Model

from durable_sql.schema.tables import CHECKPOINTS, EVENTS, RUN_ATTRIBUTES, RUNS, SIGNALS, WAITERS, Table
from durable_tortoise.fields import CompositeKeyField, InstantField, JsonField, KeyField, SequenceField, WholeField
from durable_tortoise.model_rows import DurableRow, TwoKeyRow

__all__ = [
    "DurableBufferedEvent",
    "DurableBufferedSignal",
    "DurableRunAttribute",
    "DurableSignalWaiter",
    "DurableStepCheckpoint",
    "DurableWorkflowRun",
]


def _indexes(table: Table) -> list[Index]:
    return [Index(fields=index.columns, name=index.name) for index in table.indexes]


class DurableWorkflowRun(DurableRow):
    """One run of a workflow, with its *checkpoints* and *attributes* to prefetch and to filter by."""

    id = KeyField(primary_key=True)
    workflow = KeyField()
    workflow_version = KeyField()
    status = KeyField()
    input = JsonField(null=True)
    output = JsonField(null=True)
    error = JsonField(null=True)
    wake_at = InstantField(null=True)
    locked_by = KeyField(null=True)
    locked_until = InstantField(null=True)
    awaiting_decision_task_id = KeyField(null=True)
    recovery_attempts = WholeField(null=True)
    tags = JsonField(null=True)
    search_attributes = JsonField(null=True)
    priority = WholeField(null=True)
    namespace = KeyField(default="default", db_default="default")
    origin = KeyField(null=True)
    created_at = InstantField()
    updated_at = InstantField()

    checkpoints: ReverseRelation[DurableStepCheckpoint]
    attributes: ReverseRelation[DurableRunAttribute]

    class Meta:
        """Tortoise's own."""

        table = RUNS.name
        indexes = _indexes(RUNS)


class DurableStepCheckpoint(TwoKeyRow):
    """What one position of a run has recorded.

    The table's key is (*run_id*, *seq*). Tortoise knows no keys of two columns, so ``pk`` is *step_id*, which the
    engine makes of both: it is as unique, and has no index.
    """

    run_id = KeyField()
    seq = WholeField()
    name = KeyField()
    kind = KeyField()
    status = KeyField()
    input = JsonField(null=True)
    output = JsonField(null=True)
    error = JsonField(null=True)
    events = JsonField(null=True)
    attempts = WholeField()
    worker_group = KeyField(null=True)
    parallel_group = KeyField(null=True)
    wake_at = InstantField(null=True)
    enqueued_at = InstantField(null=True)
    started_at = InstantField()
    finished_at = InstantField()
    step_id = CompositeKeyField(of=CHECKPOINTS.primary_key)

    class Meta:
        """Tortoise's own."""

        table = CHECKPOINTS.name
        indexes = _indexes(CHECKPOINTS)


class DurableRunAttribute(TwoKeyRow):
    """One search attribute of a run: text and booleans in *str_value*, numbers in *num_value*.

    The table's key is (*run_id*, *key*). Tortoise knows no keys of two columns, so ``pk`` is *key*, which is unique
    within a run alone.
    """

    run_id = KeyField()
    str_value = KeyField(null=True)
    num_value = FloatField(null=True)
    key = CompositeKeyField(of=RUN_ATTRIBUTES.primary_key)

    class Meta:
        """Tortoise's own."""

        table = RUN_ATTRIBUTES.name
        indexes = _indexes(RUN_ATTRIBUTES)


class DurableSignalWaiter(DurableRow):
    """A run that waits for a signal."""

    token = KeyField(primary_key=True)
    run_id = KeyField()
    seq = WholeField()
    parallel_group = KeyField(null=True)

    class Meta:
        """Tortoise's own."""

        table = WAITERS.name
        indexes = _indexes(WAITERS)


class DurableBufferedSignal(DurableRow):
    """A signal that nobody waited for when it came."""

    id = SequenceField()
    token = KeyField()
    payload = JsonField(null=True)

    class Meta:
        """Tortoise's own."""

        table = SIGNALS.name
        indexes = _indexes(SIGNALS)


class DurableBufferedEvent(DurableRow):
    """An event that nobody listened for when it was published."""

    id = KeyField(primary_key=True)
    name = KeyField()
    payload = JsonField(null=True)
    published_at = InstantField()

    class Meta:
        """Tortoise's own."""

        table = EVENTS.name
        indexes = _indexes(EVENTS)


_MODELS: Final[tuple[type[Model], ...]] = (
    *(DurableWorkflowRun, DurableStepCheckpoint, DurableRunAttribute),
    *(DurableSignalWaiter, DurableBufferedSignal, DurableBufferedEvent),
)


def _relate(name: str, related: type[Model]) -> None:
    # Only this side of the relation: a ForeignKeyField on the other one would put a foreign key on tables that other
    # stores and the Node library write, and the host's app label into every migration.
    relation = BackwardFKRelation(related, "run_id", "run_id", null=False, description=None)
    relation.to_field_instance = DurableWorkflowRun._meta.pk  # noqa: SLF001 - Tortoise's own public name for it
    DurableWorkflowRun._meta.add_field(name, relation)  # noqa: SLF001 - as above


_relate("checkpoints", DurableStepCheckpoint)
_relate("attributes", DurableRunAttribute)
for _model in _MODELS:
    # Tortoise makes a docstring's first line the table's comment, and every change of it a migration.
    _model._meta.table_description = ""  # noqa: SLF001 - as above
