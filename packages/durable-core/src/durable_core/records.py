"""What a store keeps: frozen records, the same for every database.

Deadlines are epoch milliseconds (``int``, names end in ``_ms``); audit stamps are aware UTC datetimes at
millisecond precision. Payload fields hold plain JSON values (see `durable_core.codec`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Self, TypeAlias

__all__ = [
    "DEFAULT_NAMESPACE",
    "INCOMPLETE_STATUSES",
    "LIVE_STATUSES",
    "TERMINAL_STATUSES",
    "UNSET",
    "AttributeValue",
    "BufferedEvent",
    "BufferedSignal",
    "Guard",
    "RunPatch",
    "SignalWaiter",
    "StepCheckpoint",
    "StepError",
    "Unset",
    "WorkflowRun",
]

#: pending, running, suspended, cancelling, blocked, completed, failed, cancelled, dead. Stores pass on any other
#: text that they find in the table: a newer writer may know more.
LIVE_STATUSES: Final = ("pending", "running", "suspended", "cancelling", "blocked")
INCOMPLETE_STATUSES: Final = ("running", "cancelling")
TERMINAL_STATUSES: Final = ("completed", "failed", "cancelled", "dead")
DEFAULT_NAMESPACE: Final = "default"

AttributeValue: TypeAlias = str | int | float | bool


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = enum.auto()

    def __repr__(self) -> str:
        return "UNSET"


#: "Not given": a patch leaves the column alone, a guard or query does not look at it. None means NULL.
UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class StepError:
    """A recorded failure, under the keys that every language writes."""

    message: str
    code: str | None = None
    retryable: bool | None = None
    stack: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow.

    *namespace* None is written as ``"default"``. *locked_by* is the fencing token of whoever holds the lease until
    *locked_until_ms*. *decode_errors* names the payload fields whose text did not parse and read as None.
    """

    id: str
    workflow: str
    workflow_version: str
    status: str
    created_at: datetime
    updated_at: datetime
    input: Any = None
    output: Any = None
    error: StepError | None = None
    wake_at_ms: int | None = None
    locked_by: str | None = None
    locked_until_ms: int | None = None
    awaiting_decision_task_id: str | None = None
    recovery_attempts: int | None = None
    tags: tuple[str, ...] | None = None
    search_attributes: dict[str, AttributeValue | None] | None = None
    priority: int | None = None
    namespace: str | None = None
    origin: str | None = None
    decode_errors: tuple[str, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended for good."""
        return self.status in TERMINAL_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPatch:
    """Changes to a run: a field left `UNSET` is not touched, None clears it.

    None cannot clear everything: *namespace* None becomes ``"default"``; *workflow*, *workflow_version*, *status*,
    *created_at* and *updated_at* are never NULL, so None leaves them alone.
    """

    workflow: str | None | Unset = UNSET
    workflow_version: str | None | Unset = UNSET
    status: str | None | Unset = UNSET
    input: Any = UNSET
    output: Any = UNSET
    error: StepError | None | Unset = UNSET
    wake_at_ms: int | None | Unset = UNSET
    locked_by: str | None | Unset = UNSET
    locked_until_ms: int | None | Unset = UNSET
    awaiting_decision_task_id: str | None | Unset = UNSET
    recovery_attempts: int | None | Unset = UNSET
    tags: tuple[str, ...] | None | Unset = UNSET
    search_attributes: dict[str, AttributeValue | None] | None | Unset = UNSET
    priority: int | None | Unset = UNSET
    namespace: str | None | Unset = UNSET
    origin: str | None | Unset = UNSET
    created_at: datetime | None | Unset = UNSET
    updated_at: datetime | None | Unset = UNSET

    def changes(self) -> dict[str, Any]:
        """The fields to write, by name, with the rules for None applied."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        never_null = ("workflow", "workflow_version", "status", "created_at", "updated_at")
        changes = {
            name: value
            for name, value in given.items()
            if value is not UNSET and not (value is None and name in never_null)
        }
        if "namespace" in changes and changes["namespace"] is None:
            changes["namespace"] = DEFAULT_NAMESPACE
        return changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What must still be true of a run for a change to happen; checked and written by one statement.

    *owner* compares with ``locked_by`` (None: nobody holds it). *lease_expired_ms* asks that the lease ended at or
    before that instant, or that there is none.
    """

    statuses: tuple[str, ...] | None = None
    owner: str | None | Unset = UNSET
    lease_expired_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWaiter:
    """A run parked on a token at position *seq*. There is one waiter per token, whatever the namespace."""

    token: str
    run_id: str
    seq: int
    parallel_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferedSignal:
    """A payload that was sent before anybody waited; *payload* may be None."""

    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferedEvent:
    """A published event that nobody had matched."""

    id: str
    name: str
    published_at_ms: int
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheckpoint:
    """What happened at position *seq* of a run: body positions count from 0, compensations from -1 downwards.

    *attempts* is how often the step ran. *enqueued_at* None is written as *started_at*. *events* are the step's
    log records as JSON objects.
    """

    run_id: str
    seq: int
    name: str
    kind: str
    step_id: str
    status: str
    attempts: int
    started_at: datetime
    finished_at: datetime
    enqueued_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: StepError | None = None
    events: list[dict[str, Any]] | None = None
    worker_group: str | None = None
    parallel_group: str | None = None
    wake_at_ms: int | None = None
    decode_errors: tuple[str, ...] = ()

    @classmethod
    def of_signal(cls, waiter: SignalWaiter, payload: Any, at: datetime) -> Self:
        """The completed checkpoint that a delivered signal leaves at its waiter's position."""
        return cls(
            run_id=waiter.run_id,
            seq=waiter.seq,
            name=f"signal:{waiter.token}",
            kind="signal",
            step_id=f"{waiter.run_id}:{waiter.seq}",
            status="completed",
            attempts=1,
            started_at=at,
            finished_at=at,
            enqueued_at=at,
            output=payload,
            parallel_group=waiter.parallel_group,
        )
