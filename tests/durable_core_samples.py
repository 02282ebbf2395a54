"""Records for the tests of the core's stores, with only what a test cares about spelled out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from durable_core.instants import to_ms
from durable_core.records import SignalWaiter, StepCheckpoint, WorkflowRun

__all__ = ["AT", "LATER_MS", "NOW_MS", "a_checkpoint", "a_run", "a_waiter"]

AT = datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
NOW_MS = to_ms(AT)
LATER_MS = NOW_MS + 60_000


def a_run(run_id: str = "r", **fields: Any) -> WorkflowRun:
    """A pending run."""
    required: dict[str, Any] = {
        "id": run_id,
        "workflow": "checkout",
        "workflow_version": "1",
        "status": "pending",
        "created_at": AT,
        "updated_at": AT,
    }
    return WorkflowRun(**required | fields)


def a_checkpoint(run_id: str = "r", seq: int = 0, **fields: Any) -> StepCheckpoint:
    """A completed local step."""
    required: dict[str, Any] = {
        "run_id": run_id,
        "seq": seq,
        "name": "charge",
        "kind": "local",
        "step_id": f"{run_id}:{seq}",
        "status": "completed",
        "attempts": 1,
        "started_at": AT,
        "finished_at": AT,
        "enqueued_at": AT,
    }
    return StepCheckpoint(**required | fields)


def a_waiter(token: str = "paid", run_id: str = "r", seq: int = 0) -> SignalWaiter:
    """A waiter for a payment."""
    return SignalWaiter(token=token, run_id=run_id, seq=seq)
