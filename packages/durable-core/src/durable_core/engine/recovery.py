"""Runs whose process died: counted, and given back, or declared dead."""

from __future__ import annotations

import logging

from durable_core.engine.options import EngineOptions
from durable_core.errors import StoreError, StoreUnavailable
from durable_core.instants import from_ms
from durable_core.records import Guard, RunPatch, StepError, WorkflowRun
from durable_core.runtime import Runtime
from durable_core.store import StateStore

__all__ = ["recover_expired"]

_log = logging.getLogger("durable.recovery")
_BATCH = 100


async def recover_expired(store: StateStore, runtime: Runtime, options: EngineOptions) -> int:
    """Make runs pending again whose lease has ended; those that outlived too many processes become dead.

    Each change is guarded by the very lease that was seen to have ended, so that of many recoverers one wins, and a
    run that was renewed, finished or taken in the meantime is left alone. One that the database refuses to change
    does not keep those behind it from coming back. Returns how many became pending.
    """
    now_ms = runtime.now_ms()
    recovered = 0
    # Not those that are cancelling: compensation is not served by this engine yet, and is no crash.
    for run in await store.list_incomplete_runs(
        options.namespace, statuses=("running",), lease_expired_ms=now_ms, limit=_BATCH
    ):
        try:
            recovered += await _recover(store, runtime, options, run, now_ms)
        except StoreUnavailable:
            raise  # for all the others as well
        except StoreError as error:
            _log.warning("run %r: its process died, but it cannot be taken up again: %s", run.id, error)
    return recovered


async def _recover(store: StateStore, runtime: Runtime, options: EngineOptions, run: WorkflowRun, now_ms: int) -> bool:
    guard = Guard(statuses=("running",), owner=run.locked_by, lease_expired_ms=now_ms)
    attempts = (run.recovery_attempts or 0) + 1
    if attempts > options.max_recovery_attempts:
        await _declare_dead(store, runtime, run, guard, attempts)
        return False
    patch = RunPatch(
        status="pending",
        recovery_attempts=attempts,
        locked_by=None,
        locked_until_ms=None,
        updated_at=from_ms(runtime.now_ms()),
    )
    if not await store.update_run(run.id, patch, expect=guard):
        return False
    _log.warning("run %r: its process died or stalled; taking it up again (attempt %d)", run.id, attempts)
    return True


async def _declare_dead(store: StateStore, runtime: Runtime, run: WorkflowRun, guard: Guard, deaths: int) -> None:
    error = StepError(
        message=(
            f"{deaths} processes in a row died with this run: something in it kills them "
            "(memory, a crash in native code, os._exit). Find the step after the last checkpoint"
        ),
        code="max_recovery_attempts",
        retryable=False,
    )
    patch = RunPatch(
        status="dead",
        error=error,
        wake_at_ms=None,
        locked_by=None,
        locked_until_ms=None,
        updated_at=from_ms(runtime.now_ms()),
    )
    if await store.end_run(run.id, patch, expect=guard):
        _log.error("run %r is dead: %s", run.id, error.message)
