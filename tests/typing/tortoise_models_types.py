"""What a type checker knows of the Tortoise models; mypy checks this file like every other."""
# mypy: disable-error-code="unused-awaitable"
# A relation is awaitable; here only its type is asked for.

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_type

from tortoise.fields import ReverseRelation

from durable_tortoise.models import (
    DurableRunAttribute,
    DurableSignalWaiter,
    DurableStepCheckpoint,
    DurableWorkflowRun,
)

__all__ = ["knows_runs", "knows_the_rest"]


def knows_runs(run: DurableWorkflowRun) -> None:
    assert_type(run.id, str)
    assert_type(run.locked_by, str | None)
    assert_type(run.namespace, str)
    assert_type(run.created_at, datetime)
    assert_type(run.wake_at, datetime | None)
    assert_type(run.priority, int | None)
    assert_type(run.input, Any)
    assert_type(run.checkpoints, ReverseRelation[DurableStepCheckpoint])
    assert_type(run.attributes, ReverseRelation[DurableRunAttribute])


def knows_the_rest(step: DurableStepCheckpoint, attribute: DurableRunAttribute, waiter: DurableSignalWaiter) -> None:
    assert_type(step.step_id, str)
    assert_type(step.seq, int)
    assert_type(attribute.key, str)
    assert_type(attribute.num_value, float | None)
    assert_type(waiter.token, str)
