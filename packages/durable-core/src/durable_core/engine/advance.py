"""Take a claimed run one turn further, and record how the turn ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from durable_core.codec import plain
from durable_core.engine.control import Abort, Block, ControlFlow, HandOver, Suspend
from durable_core.engine.deliveries import Deliveries
from durable_core.engine.failures import recorded_failure
from durable_core.engine.history import History
from durable_core.engine.leases import Lease
from durable_core.engine.options import EngineOptions
from durable_core.engine.places import defining_place
from durable_core.engine.turn import Turn
from durable_core.errors import (
    DamagedHistory,
    DurableError,
    LeaseLost,
    NondeterminismError,
    StoreError,
    SuspensionSwallowed,
    UnreplayableTimeout,
    WorkflowNotRegistered,
)
from durable_core.instants import from_ms
from durable_core.records import Guard, RunPatch, WorkflowRun
from durable_core.registry import Registry, Workflow
from durable_core.runtime import Runtime
from durable_core.store import StateStore

__all__ = ["Advancer"]

_log = logging.getLogger("durable.turns")


class Advancer:
    """Runs turns. *open_context* makes the door that a body is given."""

    def __init__(
        self,
        *,
        store: StateStore,
        runtime: Runtime,
        registry: Registry,
        options: EngineOptions,
        open_context: Callable[[Turn], Any],
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._registry = registry
        self._options = options
        self._open_context = open_context

    async def advance(self, run: WorkflowRun, lease: Lease, stopping: Callable[[], bool]) -> None:
        """One turn of *run*, which *lease* holds. Ends with the lease released, lost, or left to expire."""
        try:
            async with self._store.connected():
                await self._turn(run, lease, stopping)
        except StoreError as error:
            # Also a settle that could not be written: the run stays leased, and comes back when that ends.
            _log.warning("turn of run %r stopped: %s", run.id, error)

    async def _turn(self, run: WorkflowRun, lease: Lease, stopping: Callable[[], bool]) -> None:
        try:
            workflow = self._registry.workflow(run.workflow, run.workflow_version)
            arguments = _input(run, workflow)
        except (WorkflowNotRegistered, DamagedHistory) as error:
            await self._block(run, lease, error)
            return
        checkpoints = await self._store.list_checkpoints(run.id)
        turn = Turn(
            run=run,
            lease=lease,
            history=History(run, checkpoints),
            deliveries=Deliveries(checkpoints),
            store=self._store,
            runtime=self._runtime,
            scope=self._runtime.scope(),
            options=self._options,
            stopping=stopping,
        )
        try:
            output = await self._whole(turn, workflow, arguments)
        except Suspend as suspended:
            await self._suspend(run, lease, suspended)
        except HandOver:
            await self._hand_over(run, lease)
        except Block as blocked:
            await self._block(run, lease, blocked.cause)
        except Abort as aborted:
            await self._abort(run, lease, aborted.cause)
        except Exception as error:  # noqa: BLE001 - whatever the user's body raises is the run's failure
            _log.info("run %r failed: %s", run.id, error)
            await self._end(turn, RunPatch(status="failed", output=None, error=recorded_failure(error)))
        else:
            await self._end(turn, RunPatch(status="completed", output=output, error=None))

    async def _whole(self, turn: Turn, workflow: Workflow[Any, Any], arguments: tuple[Any, ...]) -> Any:
        """`_body`, of which nothing goes on after it: the run is given away next."""
        try:
            return await self._body(turn, workflow, arguments)
        finally:
            turn.close()
            await turn.scope.close()

    async def _body(self, turn: Turn, workflow: Workflow[Any, Any], arguments: tuple[Any, ...]) -> Any:
        """The body's plain result; control flow and errors as they come, also when the body tried to keep them."""

        async def body() -> Any:
            result = workflow.body(self._open_context(turn), *arguments)
            return await result if isinstance(result, Coroutine) else result

        try:
            result = await turn.scope.body(body)
        except Exception as error:
            over = await turn.drain()
            if over is None:
                raise
            if isinstance(over, Block) and isinstance(over.cause, UnreplayableTimeout):
                raise over from error  # the timeout itself ran out, and replaced what ended the turn
            raise _swallowed(over, workflow) from error
        except BaseException as error:
            if turn.over is None or not _is_control_flow(error):
                raise
            await turn.drain()
            raise turn.over from error
        over = await turn.drain()
        if over is not None:
            raise _swallowed(over, workflow)
        try:
            turn.history.check_finished()
        except NondeterminismError as error:
            raise Block(error) from error
        what = f"what workflow {workflow.name!r} returned"
        return workflow.result.check(plain(result, what), what)

    async def _end(self, turn: Turn, patch: RunPatch) -> None:
        end = self._store.end_run if turn.left_waiter else self._store.update_run
        ended = RunPatch(
            **patch.changes(), wake_at_ms=None, locked_by=None, locked_until_ms=None, updated_at=turn.now()
        )
        if not await end(turn.run.id, ended, expect=_ours(turn.lease)):
            _log.warning("run %r was cancelled or taken over; its %s was dropped", turn.run.id, patch.status)

    async def _suspend(self, run: WorkflowRun, lease: Lease, suspended: Suspend) -> None:
        now = from_ms(self._runtime.now_ms())
        if run.error is not None:
            # What blocked the run before is over now; it would look blocked for as long as it sleeps.
            await self._store.update_run(run.id, RunPatch(error=None), expect=_ours(lease))
        if not await self._store.suspend_run(run.id, lease.owner, suspended.wake_at_ms, now):
            _log.warning("run %r was cancelled or taken over while it went to sleep", run.id)

    async def _hand_over(self, run: WorkflowRun, lease: Lease) -> None:
        if lease.lost:
            return
        await self._release(run, lease, RunPatch(status="pending", error=None))

    async def _abort(self, run: WorkflowRun, lease: Lease, cause: StoreError) -> None:
        _log.warning("turn of run %r aborted: %s", run.id, cause)
        if not isinstance(cause, LeaseLost):
            await self._suspend(run, lease, Suspend(self._runtime.now_ms() + self._options.blocked_ms))

    async def _block(self, run: WorkflowRun, lease: Lease, cause: DurableError) -> None:
        _log.error("run %r is blocked: %s", run.id, cause)
        wake_at_ms = self._runtime.now_ms() + self._options.blocked_ms
        blocked = RunPatch(status="blocked", error=recorded_failure(cause, retryable=True), wake_at_ms=wake_at_ms)
        await self._release(run, lease, blocked)

    async def _release(self, run: WorkflowRun, lease: Lease, patch: RunPatch) -> None:
        now = from_ms(self._runtime.now_ms())
        released = RunPatch(**patch.changes(), locked_by=None, locked_until_ms=None, updated_at=now)
        await self._store.update_run(run.id, released, expect=_ours(lease))


def _ours(lease: Lease) -> Guard:
    return Guard(statuses=("running",), owner=lease.owner)


def _input(run: WorkflowRun, workflow: Workflow[Any, Any]) -> tuple[Any, ...]:
    if "input" in run.decode_errors:
        raise DamagedHistory(
            f"run {run.id!r}: the recorded input does not parse; repair durable_workflow_runs.input of that row, "
            "the run goes on by itself"
        )
    if not workflow.takes_input or (run.input is None and workflow.has_default):
        return ()
    return (workflow.input.rebuild(run.input),)


def _is_control_flow(error: BaseException) -> bool:
    # A task group wraps whatever its tasks raise.
    return isinstance(error, ControlFlow) or (
        isinstance(error, BaseExceptionGroup) and error.subgroup(ControlFlow) is not None
    )


def _swallowed(over: ControlFlow, workflow: Workflow[Any, Any]) -> SuspensionSwallowed:
    return SuspensionSwallowed(
        f"workflow {workflow.name!r} (defined at {defining_place(workflow.body)}) went on although its call at "
        f"{over.place} parks the run ({over}): something there catches BaseException. "
        "Catch Exception, never BaseException or everything (bare except, contextlib.suppress(BaseException), "
        "return in a finally, asyncio.gather(return_exceptions=True))"
    )
