"""The durable tables as Peewee models, for the host to query and join; the library itself does not use them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import peewee
from peewee import SQL, CharField, CompositeKey, DateTimeField, DoubleField, IntegerField, Model, TextField

from durable_peewee.fields import InstantField, JsonField, KeyField, SequenceField, WholeField
from durable_sql.schema.tables import CHECKPOINTS, EVENTS, RUN_ATTRIBUTES, RUNS, SIGNALS, WAITERS, Table

__all__ = [
    "DurableBufferedEvent",
    "DurableBufferedSignal",
    "DurableModels",
    "DurableRunAttribute",
    "DurableSignalWaiter",
    "DurableStepCheckpoint",
    "DurableWorkflowRun",
    "define_models",
]

AnyModel = TypeVar("AnyModel", bound=Model)

#: The classes of this module are types for annotations; a query through one of them finds no database.
_NOWHERE: Final = peewee.DatabaseProxy()


class _Unbound(Model):
    class Meta:
        database = _NOWHERE
        legacy_table_names = False


class DurableWorkflowRun(_Unbound):
    """One run of a workflow."""

    id: CharField[str] = KeyField(primary_key=True)
    workflow: CharField[str] = KeyField()
    workflow_version: CharField[str] = KeyField()
    status: CharField[str] = KeyField()
    input: TextField[Any] = JsonField(null=True)
    output: TextField[Any] = JsonField(null=True)
    error: TextField[Any] = JsonField(null=True)
    wake_at: DateTimeField[datetime | None] = InstantField(null=True)
    locked_by: CharField[str | None] = KeyField(null=True)
    locked_until: DateTimeField[datetime | None] = InstantField(null=True)
    awaiting_decision_task_id: CharField[str | None] = KeyField(null=True)
    recovery_attempts: IntegerField[int | None] = WholeField(null=True)
    tags: TextField[Any] = JsonField(null=True)
    search_attributes: TextField[Any] = JsonField(null=True)
    priority: IntegerField[int | None] = WholeField(null=True)
    namespace: CharField[str] = KeyField(default="default", constraints=[SQL("DEFAULT 'default'")])
    origin: CharField[str | None] = KeyField(null=True)
    created_at: DateTimeField[datetime] = InstantField()
    updated_at: DateTimeField[datetime] = InstantField()


class DurableStepCheckpoint(_Unbound):
    """What one position of a run has recorded."""

    run_id: CharField[str] = KeyField()
    seq: IntegerField[int] = WholeField()
    name: CharField[str] = KeyField()
    kind: CharField[str] = KeyField()
    step_id: CharField[str] = KeyField()
    status: CharField[str] = KeyField()
    input: TextField[Any] = JsonField(null=True)
    output: TextField[Any] = JsonField(null=True)
    error: TextField[Any] = JsonField(null=True)
    events: TextField[Any] = JsonField(null=True)
    attempts: IntegerField[int] = WholeField()
    worker_group: CharField[str | None] = KeyField(null=True)
    parallel_group: CharField[str | None] = KeyField(null=True)
    wake_at: DateTimeField[datetime | None] = InstantField(null=True)
    enqueued_at: DateTimeField[datetime | None] = InstantField(null=True)
    started_at: DateTimeField[datetime] = InstantField()
    finished_at: DateTimeField[datetime] = InstantField()


class DurableRunAttribute(_Unbound):
    """One search attribute of a run: text and booleans in *str_value*, numbers in *num_value*."""

    run_id: CharField[str] = KeyField()
    key: CharField[str] = KeyField()
    str_value: CharField[str | None] = KeyField(null=True)
    num_value: DoubleField[float | None] = DoubleField(null=True)


class DurableSignalWaiter(_Unbound):
    """A run that waits for a signal."""

    token: CharField[str] = KeyField(primary_key=True)
    run_id: CharField[str] = KeyField()
    seq: IntegerField[int] = WholeField()
    parallel_group: CharField[str | None] = KeyField(null=True)


class DurableBufferedSignal(_Unbound):
    """A signal that nobody waited for when it came."""

    id: IntegerField[int] = SequenceField()
    token: CharField[str] = KeyField()
    payload: TextField[Any] = JsonField(null=True)


class DurableBufferedEvent(_Unbound):
    """An event that nobody listened for when it was published."""

    id: CharField[str] = KeyField(primary_key=True)
    name: CharField[str] = KeyField()
    payload: TextField[Any] = JsonField(null=True)
    published_at: DateTimeField[datetime] = InstantField()


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableModels:
    """The six models, bound to one database."""

    DurableWorkflowRun: type[DurableWorkflowRun]
    DurableStepCheckpoint: type[DurableStepCheckpoint]
    DurableRunAttribute: type[DurableRunAttribute]
    DurableSignalWaiter: type[DurableSignalWaiter]
    DurableBufferedSignal: type[DurableBufferedSignal]
    DurableBufferedEvent: type[DurableBufferedEvent]


def define_models(database: peewee.Database | peewee.Proxy) -> DurableModels:
    """Make the six models for *database*: classes of their own, which no other database shares.

    A `DatabaseProxy` may be given before it is initialised.
    """
    return DurableModels(
        DurableWorkflowRun=_bound(DurableWorkflowRun, RUNS, database),
        DurableStepCheckpoint=_bound(DurableStepCheckpoint, CHECKPOINTS, database),
        DurableRunAttribute=_bound(DurableRunAttribute, RUN_ATTRIBUTES, database),
        DurableSignalWaiter=_bound(DurableSignalWaiter, WAITERS, database),
        DurableBufferedSignal=_bound(DurableBufferedSignal, SIGNALS, database),
        DurableBufferedEvent=_bound(DurableBufferedEvent, EVENTS, database),
    )


def _bound(model: type[AnyModel], table: Table, database: peewee.Database | peewee.Proxy) -> type[AnyModel]:
    options: dict[str, Any] = {"database": database, "table_name": table.name}
    if len(table.primary_key) > 1:
        options["primary_key"] = CompositeKey(*table.primary_key)
    # Not the class statement, since the type checker shall see one class per table and not one per database.
    members = {"__doc__": model.__doc__, "__module__": model.__module__, "Meta": type("Meta", (), options)}
    metaclass: Any = type(model)
    bound: type[AnyModel] = metaclass(model.__name__, (model,), members)
    for index in table.indexes:
        bound.add_index(*(getattr(bound, column) for column in index.columns), name=index.name)
    return bound
