"""The durable tables as Pony entities, for the host to query; the library itself does not use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pony.orm import Database, PrimaryKey, Required, Set

from durable_core.errors import ConfigurationError
from durable_pony.attributes import Given, Maybe
from durable_pony.schema import ensure_pony_schema
from durable_sql.schema.tables import CHECKPOINTS, EVENTS, RUN_ATTRIBUTES, RUNS, SIGNALS, WAITERS, Kind

__all__ = ["DurableEntities", "define_entities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableEntities:
    """The six entities of one database."""

    DurableWorkflowRun: Any
    DurableStepCheckpoint: Any
    DurableRunAttribute: Any
    DurableSignalWaiter: Any
    DurableBufferedSignal: Any
    DurableBufferedEvent: Any


def define_entities(db: Database, *, auto_schema: bool = True) -> DurableEntities:
    """Declare the six entities on *db*: after its ``bind`` and before its ``generate_mapping``.

    The tables are ours, also under ``generate_mapping(create_tables=True)``: what is missing of them is created here,
    by `ensure_pony_schema`. ``auto_schema=False`` leaves that to a migration of yours, and may be called before the
    ``bind``.
    """
    if db.schema is not None:
        raise ConfigurationError("define_entities(db) comes too late: call it before db.generate_mapping()")
    if auto_schema:
        ensure_pony_schema(db)
    return _declared(db)


def _declared(db: Any) -> DurableEntities:
    class DurableWorkflowRun(db.Entity):  # type: ignore[misc] # Pony has no types
        """One run of a workflow."""

        _table_ = RUNS.name
        id = PrimaryKey(str, 191, autostrip=False)
        workflow = Given(Kind.KEY)
        workflow_version = Given(Kind.KEY)
        status = Given(Kind.KEY)
        input = Maybe(Kind.JSON)
        output = Maybe(Kind.JSON)
        error = Maybe(Kind.JSON)
        wake_at = Maybe(Kind.INSTANT)
        locked_by = Maybe(Kind.KEY)
        locked_until = Maybe(Kind.INSTANT)
        awaiting_decision_task_id = Maybe(Kind.KEY)
        recovery_attempts = Maybe(Kind.INTEGER)
        tags = Maybe(Kind.JSON)
        search_attributes = Maybe(Kind.JSON)
        priority = Maybe(Kind.INTEGER)
        namespace = Given(Kind.KEY, default="default", sql_default="'default'")
        origin = Maybe(Kind.KEY)
        created_at = Given(Kind.INSTANT)
        updated_at = Given(Kind.INSTANT)
        checkpoints = Set("DurableStepCheckpoint", volatile=True)
        attributes = Set("DurableRunAttribute", volatile=True)
        signal_waiters = Set("DurableSignalWaiter", volatile=True)

    class DurableStepCheckpoint(db.Entity):  # type: ignore[misc] # Pony has no types
        """What one position of a run has recorded."""

        _table_ = CHECKPOINTS.name
        run = Required(DurableWorkflowRun, column="run_id")
        seq = Given(Kind.INTEGER, volatile=False)
        name = Given(Kind.KEY)
        kind = Given(Kind.KEY)
        step_id = Given(Kind.KEY)
        status = Given(Kind.KEY)
        input = Maybe(Kind.JSON)
        output = Maybe(Kind.JSON)
        error = Maybe(Kind.JSON)
        events = Maybe(Kind.JSON)
        attempts = Given(Kind.INTEGER)
        worker_group = Maybe(Kind.KEY)
        parallel_group = Maybe(Kind.KEY)
        wake_at = Maybe(Kind.INSTANT)
        enqueued_at = Maybe(Kind.INSTANT)
        started_at = Given(Kind.INSTANT)
        finished_at = Given(Kind.INSTANT)
        PrimaryKey(run, seq)

    class DurableRunAttribute(db.Entity):  # type: ignore[misc] # Pony has no types
        """One search attribute of a run: text and booleans in *str_value*, numbers in *num_value*."""

        _table_ = RUN_ATTRIBUTES.name
        run = Required(DurableWorkflowRun, column="run_id")
        key = Given(Kind.KEY, volatile=False)
        str_value = Maybe(Kind.KEY)
        num_value = Maybe(Kind.NUMBER)
        PrimaryKey(run, key)

    class DurableSignalWaiter(db.Entity):  # type: ignore[misc] # Pony has no types
        """A run that waits for a signal."""

        _table_ = WAITERS.name
        token = PrimaryKey(str, 191, autostrip=False)
        run = Required(DurableWorkflowRun, column="run_id")
        seq = Given(Kind.INTEGER)
        parallel_group = Maybe(Kind.KEY)

    class DurableBufferedSignal(db.Entity):  # type: ignore[misc] # Pony has no types
        """A signal that nobody waited for when it came."""

        _table_ = SIGNALS.name
        id = PrimaryKey(int, size=64, auto=True)
        token = Given(Kind.KEY)
        payload = Maybe(Kind.JSON)

    class DurableBufferedEvent(db.Entity):  # type: ignore[misc] # Pony has no types
        """An event that nobody listened for when it was published."""

        _table_ = EVENTS.name
        id = PrimaryKey(str, 191, autostrip=False)
        name = Given(Kind.KEY)
        payload = Maybe(Kind.JSON)
        published_at = Given(Kind.INSTANT)

    return DurableEntities(
        DurableWorkflowRun=DurableWorkflowRun,
        DurableStepCheckpoint=DurableStepCheckpoint,
        DurableRunAttribute=DurableRunAttribute,
        DurableSignalWaiter=DurableSignalWaiter,
        DurableBufferedSignal=DurableBufferedSignal,
        DurableBufferedEvent=DurableBufferedEvent,
    )
