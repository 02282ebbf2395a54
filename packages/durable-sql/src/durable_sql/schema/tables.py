"""The six tables, declared once. DDL, introspection, row mapping and the ORMs' models all derive from this.

Names and columns are those of nestjs-durable, so that both libraries can share a database. Columns may only ever be
added, nullable or with a default; indexes may be added.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

__all__ = ["CHECKPOINTS", "EVENTS", "RUNS", "RUN_ATTRIBUTES", "SIGNALS", "TABLES", "WAITERS"]
__all__ += ["Column", "Index", "Kind", "Table"]


class Kind(enum.Enum):
    """What a column holds, whatever the database calls it."""

    KEY = "an exact string of at most 191 characters"
    JSON = "JSON text of any length"
    INSTANT = "an instant in UTC, to the millisecond"
    INTEGER = "a signed whole number of 32 bits"
    NUMBER = "a float of 64 bits"
    SEQUENCE = "a number that the database counts up"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. *default* is SQL's own, for rows that somebody else inserts."""

    name: str
    kind: Kind
    nullable: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index; an existing one over the same columns serves as well, whatever its name."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)


def _key(name: str) -> Column:
    return Column(name, Kind.KEY)


def _maybe(name: str, kind: Kind) -> Column:
    return Column(name, kind, nullable=True)


RUNS: Final = Table(
    "durable_workflow_runs",
    (
        *(_key("id"), _key("workflow"), _key("workflow_version"), _key("status")),
        *(_maybe("input", Kind.JSON), _maybe("output", Kind.JSON), _maybe("error", Kind.JSON)),
        *(_maybe("wake_at", Kind.INSTANT), _maybe("locked_by", Kind.KEY), _maybe("locked_until", Kind.INSTANT)),
        *(_maybe("awaiting_decision_task_id", Kind.KEY), _maybe("recovery_attempts", Kind.INTEGER)),
        *(_maybe("tags", Kind.JSON), _maybe("search_attributes", Kind.JSON), _maybe("priority", Kind.INTEGER)),
        *(Column("namespace", Kind.KEY, default="default"), _maybe("origin", Kind.KEY)),
        *(Column("created_at", Kind.INSTANT), Column("updated_at", Kind.INSTANT)),
    ),
    primary_key=("id",),
    indexes=(
        Index("durable_runs_status_idx", ("status", "wake_at")),
        Index("durable_runs_workflow_status_idx", ("workflow", "status")),
        Index("durable_runs_namespace_status_idx", ("namespace", "status", "created_at")),
        # Ours: listing newest first, and retention; the Node library pays for their absence with full scans.
        Index("durable_runs_created_idx", ("created_at", "id")),
        Index("durable_runs_status_updated_idx", ("status", "updated_at", "id")),
    ),
)

CHECKPOINTS: Final = Table(
    "durable_step_checkpoints",
    (
        *(_key("run_id"), Column("seq", Kind.INTEGER), _key("name"), _key("kind"), _key("step_id"), _key("status")),
        *(_maybe("input", Kind.JSON), _maybe("output", Kind.JSON), _maybe("error", Kind.JSON)),
        *(_maybe("events", Kind.JSON), Column("attempts", Kind.INTEGER)),
        *(_maybe("worker_group", Kind.KEY), _maybe("parallel_group", Kind.KEY)),
        *(_maybe("wake_at", Kind.INSTANT), _maybe("enqueued_at", Kind.INSTANT)),
        *(Column("started_at", Kind.INSTANT), Column("finished_at", Kind.INSTANT)),
    ),
    primary_key=("run_id", "seq"),
)

RUN_ATTRIBUTES: Final = Table(
    "durable_run_attributes",
    (_key("run_id"), _key("key"), _maybe("str_value", Kind.KEY), _maybe("num_value", Kind.NUMBER)),
    primary_key=("run_id", "key"),
    indexes=(
        Index("durable_run_attributes_str_idx", ("key", "str_value")),
        Index("durable_run_attributes_num_idx", ("key", "num_value")),
    ),
)

WAITERS: Final = Table(
    "durable_signal_waiters",
    (_key("token"), _key("run_id"), Column("seq", Kind.INTEGER), _maybe("parallel_group", Kind.KEY)),
    primary_key=("token",),
    indexes=(Index("durable_signal_waiters_run_idx", ("run_id",)),),
)

SIGNALS: Final = Table(
    "durable_buffered_signals",
    (Column("id", Kind.SEQUENCE), _key("token"), _maybe("payload", Kind.JSON)),
    primary_key=("id",),
    indexes=(Index("durable_buffered_signals_token_idx", ("token",)),),
)

EVENTS: Final = Table(
    "durable_buffered_events",
    (_key("id"), _key("name"), _maybe("payload", Kind.JSON), Column("published_at", Kind.INSTANT)),
    primary_key=("id",),
    indexes=(Index("durable_buffered_events_name_published_at_idx", ("name", "published_at")),),
)

TABLES: Final = (RUNS, CHECKPOINTS, RUN_ATTRIBUTES, WAITERS, SIGNALS, EVENTS)
