"""The records that clauses work with: small, the same on every run, with a fixed *now*."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from durable_core.instants import to_ms
from durable_core.records import BufferedEvent, RunPatch, SignalWaiter, StepCheckpoint, StepError, WorkflowRun

__all__ = [
    "FALSY",
    "LEASE_MS",
    "NOW",
    "NOW_MS",
    "TWINS",
    "a_checkpoint",
    "a_full_checkpoint",
    "a_full_run",
    "a_patch",
    "a_run",
    "a_waiter",
    "an_event",
    "at",
    "but",
    "ids",
]

R = TypeVar("R", WorkflowRun, StepCheckpoint, SignalWaiter, BufferedEvent)

NOW: Final = datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC)
NOW_MS: Final = to_ms(NOW)
#: Payloads that a careless test for truth would lose.
FALSY: Final[tuple[Any, ...]] = (0, False, "", [], {})
#: When a lease taken at *now* ends.
LEASE_MS: Final = NOW_MS + 30_000
#: Identifiers that a careless collation takes for one: case, accent, composition, width, ligature.
TWINS: Final = ("tok", "Tok", "TOK", "tök", "to\u0308k", "ｔｏｋ", "tok-ß", "tok-ss")


def at(ms: int) -> datetime:
    """*NOW* and *ms* milliseconds."""
    return NOW + timedelta(milliseconds=ms)


def ids(records: Iterable[WorkflowRun | BufferedEvent]) -> list[str]:
    """The ids, in order."""
    return [record.id for record in records]


def but(record: R, **changes: Any) -> R:
    """*record* with *changes*, whose fields a clause may name by variables."""
    return replace(record, **changes)


def a_patch(**changes: Any) -> RunPatch:
    """A patch whose fields a clause may name by variables."""
    return RunPatch(**changes)


def a_run(id: str = "r1", /, **changes: Any) -> WorkflowRun:
    """A pending run created at *NOW*."""
    plain: dict[str, Any] = {
        "workflow": "checkout",
        "workflow_version": "1",
        "status": "pending",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return WorkflowRun(id=id, **plain | changes)


def a_full_run(id: str = "r1", /, **changes: Any) -> WorkflowRun:
    """A run with something in every column."""
    full: dict[str, Any] = {
        "workflow_version": "2.1",
        "status": "running",
        "input": {"order": 7, "lines": [{"sku": "é-1", "n": 2}]},
        "output": ["done", None, 1.5],
        "error": StepError(message="card refused", code="E_CARD", retryable=False, stack="Traceback ...\n  line 1"),
        "wake_at_ms": NOW_MS + 1,
        "locked_by": "w1:turn-1",
        "locked_until_ms": LEASE_MS,
        "awaiting_decision_task_id": "task-9",
        "recovery_attempts": 3,
        "tags": ("blue", "a b", "blue"),
        "search_attributes": {"city": "Köln", "total": 19.5, "items": 3, "vip": True, "note": None},
        "priority": -5,
        "namespace": "shop",
        "origin": "cron",
        "created_at": at(-5),
        "updated_at": at(-3),
    }
    return a_run(id, **full | changes)


def a_checkpoint(seq: int = 0, run_id: str = "r1", /, **changes: Any) -> StepCheckpoint:
    """A completed step."""
    plain: dict[str, Any] = {
        "name": "charge",
        "kind": "local",
        "step_id": f"{run_id}:{seq}",
        "status": "completed",
        "attempts": 1,
        "enqueued_at": NOW,
        "started_at": NOW,
        "finished_at": NOW,
    }
    return StepCheckpoint(run_id=run_id, seq=seq, **plain | changes)


def a_full_checkpoint(seq: int = 0, run_id: str = "r1", /, **changes: Any) -> StepCheckpoint:
    """A checkpoint with something in every column."""
    full: dict[str, Any] = {
        "status": "pending",
        "attempts": 2,
        "enqueued_at": at(-30),
        "started_at": at(-20),
        "finished_at": at(-10),
        "input": {"amount": 5},
        "output": ["kept"],
        "error": StepError(message="busy", code="E_BUSY", retryable=True, stack="at line 2"),
        "events": [{"level": "info", "message": "ünïcode", "n": 1}, {"level": "warn"}],
        "worker_group": "gpu",
        "parallel_group": "p:1",
        "wake_at_ms": NOW_MS + 77,
    }
    return a_checkpoint(seq, run_id, **full | changes)


def a_waiter(token: str = "tok", run_id: str = "r1", seq: int = 0, parallel_group: str | None = None) -> SignalWaiter:
    """A run that waits for *token*."""
    return SignalWaiter(token=token, run_id=run_id, seq=seq, parallel_group=parallel_group)


def an_event(id: str = "e1", name: str = "paid", published_at_ms: int = NOW_MS, payload: Any = None) -> BufferedEvent:
    """An event that nobody has matched."""
    return BufferedEvent(id=id, name=name, published_at_ms=published_at_ms, payload=payload)
