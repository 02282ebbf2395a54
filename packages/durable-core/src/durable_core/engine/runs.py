"""What an application does with runs: start, signal, cancel, look, wait for the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from durable_core.codec import plain
from durable_core.engine.options import EngineOptions, StartOptions, refuse_unknown
from durable_core.engine.waits import check_token
from durable_core.errors import (
    DamagedHistory,
    InvalidValue,
    ResultTimeout,
    RunAlreadyExists,
    RunCancelled,
    RunDead,
    RunFailed,
    RunNotFound,
    WorkflowNotRegistered,
)
from durable_core.instants import from_ms
from durable_core.queries import RunQuery
from durable_core.records import LIVE_STATUSES, Guard, RunPatch, StepError, WorkflowRun
from durable_core.registry import Registry, Workflow
from durable_core.runtime import Bell, Runtime
from durable_core.store import StateStore
from durable_core.validation import check_identifier

__all__ = ["Runs"]

_LAST_POSITION: Final = 99_999
_FIRST_LOOK_MS: Final = 5
_LONGEST_LOOK_MS: Final = 250
_ENDINGS: Final = {"failed": RunFailed, "cancelled": RunCancelled, "dead": RunDead}


class Runs:
    """The client side of the engine. It only ever writes rows: bodies run in workers."""

    def __init__(self, *, store: StateStore, runtime: Runtime, registry: Registry, options: EngineOptions) -> None:
        self._store = store
        self._runtime = runtime
        self._registry = registry
        self._options = options
        self._bells: list[Bell] = []
        self._schema_is_right = False

    async def boot(self) -> None:
        """Make sure of the schema, once per process."""
        if self._schema_is_right:
            return
        if self._options.auto_schema:
            await self._store.ensure_schema()
        else:
            await self._store.verify_schema()
        self._schema_is_right = True

    def attach(self, bell: Bell) -> Callable[[], None]:
        """Ring *bell* whenever this process makes work; call the result to stop that."""
        self._bells.append(bell)
        return lambda: self._bells.remove(bell)

    def wake_workers(self) -> None:
        """Let this process's workers look for work once the caller's transaction has committed."""
        self._store.on_commit(self._ring)

    def _ring(self) -> None:
        for bell in tuple(self._bells):
            bell.ring()

    async def start(
        self, workflow: Workflow[Any, Any] | str, input: Any, version: str | None, options: StartOptions
    ) -> tuple[Workflow[Any, Any], str]:
        """Create the run, or find it there; return the workflow and the run's id. See `Durable.start`."""
        refuse_unknown(options, StartOptions, "start()")
        if not isinstance(workflow, str | Workflow):
            raise WorkflowNotRegistered(
                f"start() was given {workflow!r}, which is no registered workflow: put @durable.workflow() above its "
                "definition, or give its name"
            )
        if isinstance(workflow, str):
            workflow = self._registry.workflow(workflow, version)
        else:
            workflow = self._registry.workflow(workflow.name, workflow.version if version is None else version)
        now = from_ms(self._runtime.now_ms())
        run = WorkflowRun(
            id=_checked_id(options["id"] if "id" in options else self._runtime.new_id()),
            workflow=workflow.name,
            workflow_version=workflow.version,
            status="pending",
            input=_checked_input(workflow, input),
            tags=_tags(workflow, options),
            search_attributes=dict(options.get("search_attributes", {})) or None,
            priority=options.get("priority"),
            namespace=self._options.namespace,
            created_at=now,
            updated_at=now,
        )
        await self.boot()
        if await self._store.create_run(run):
            self.wake_workers()
            return workflow, run.id
        return await self._existing(run), run.id

    async def _existing(self, wanted: WorkflowRun) -> Workflow[Any, Any]:
        there = await self.get(wanted.id, latest=True)
        for what, taken, ours in (
            ("workflow", there.workflow, wanted.workflow),
            ("namespace", there.namespace, wanted.namespace),
        ):
            if taken != ours:
                raise RunAlreadyExists(
                    f"run id {wanted.id!r} belongs to a run of {what} {taken!r}, not {ours!r}: "
                    f"put the {what} into the id, e.g. {f'{ours}:{wanted.id}'!r}"
                )
        try:
            return self._registry.workflow(there.workflow, there.workflow_version)
        except WorkflowNotRegistered:
            return self._registry.workflow(wanted.workflow, wanted.workflow_version)

    async def get(self, run_id: str, *, latest: bool = False) -> WorkflowRun:
        """The run; for *latest* see `StateStore.get_run`. Raises `RunNotFound`."""
        await self.boot()
        run = await self._store.get_run(run_id, latest=latest)
        if run is None:
            raise RunNotFound(run_id)
        return run

    async def list(self, query: RunQuery) -> list[WorkflowRun]:
        """The runs that match, in every namespace unless the query names one."""
        await self.boot()
        return await self._store.list_runs(query)

    async def signal(self, token: str, payload: Any) -> bool:
        """Deliver or buffer; tell whether a run was waiting. See `Durable.signal`."""
        check_token(token)
        value = plain(payload, f"the payload of signal {token!r}") if payload is not None else None
        await self.boot()
        waiter = await self._store.deliver_signal(token, value, from_ms(self._runtime.now_ms()))
        if waiter is not None:
            self.wake_workers()
        return waiter is not None

    async def cancel(self, run_id: str, reason: str) -> bool:
        """End a live run as cancelled and fence off the turn under way. See `Durable.cancel`."""
        await self.boot()
        patch = RunPatch(
            status="cancelled",
            error=StepError(message=reason, code="cancelled"),
            wake_at_ms=None,
            locked_by=None,
            locked_until_ms=None,
            updated_at=from_ms(self._runtime.now_ms()),
        )
        if await self._store.end_run(run_id, patch, expect=Guard(statuses=LIVE_STATUSES)):
            return True
        await self.get(run_id, latest=True)
        return False

    async def result(self, run_id: str, timeout_ms: int | None) -> Any:
        """The plain output of the run once it has completed. See `RunHandle.result`."""
        began_ms = self._runtime.now_ms()
        look_ms = _FIRST_LOOK_MS
        while True:
            run = await self.get(run_id)
            if run.is_terminal:
                return _outcome(run)
            waited_ms = self._runtime.now_ms() - began_ms
            if timeout_ms is not None and waited_ms >= timeout_ms:
                raise ResultTimeout(run_id, run.status)
            left_ms = look_ms if timeout_ms is None else min(look_ms, timeout_ms - waited_ms)
            await self._runtime.sleep(left_ms)
            look_ms = min(look_ms * 2, _LONGEST_LOOK_MS)


def _tags(workflow: Workflow[Any, Any], options: StartOptions) -> tuple[str, ...] | None:
    given = options.get("tags", ())
    if isinstance(given, str):
        raise InvalidValue(f"tags must be a sequence of str, got the str {given!r}: write [{given!r}]")
    return tuple(dict.fromkeys((*workflow.tags, *given))) or None


def _checked_id(run_id: object) -> str:
    # The ids of its steps are the run's with the position behind it, and must fit as well.
    checked = check_identifier(run_id, "run id")
    check_identifier(f"{checked}:{_LAST_POSITION}", "run id with the position of a step behind it")
    return checked


def _checked_input(workflow: Workflow[Any, Any], input: Any) -> Any:
    """The plain form of *input*. Raises `InvalidValue` if the workflow could not read it: that run would be stuck."""
    if input is None and (workflow.has_default or not workflow.takes_input):
        return None
    if not workflow.takes_input:
        raise InvalidValue(f"{workflow!r} takes no input, but was given {input!r}: add a parameter to its function")
    value = plain(input, f"the input of workflow {workflow.name!r}")
    try:
        workflow.input.rebuild(value)
    except DamagedHistory as error:
        raise InvalidValue(f"{workflow!r} cannot read this input: {error.__cause__}") from error
    return value


def _outcome(run: WorkflowRun) -> Any:
    if run.status == "completed":
        if "output" in run.decode_errors:
            raise DamagedHistory(f"run {run.id!r} completed, but its recorded output does not parse")
        return run.output
    error = run.error or StepError(message="no error was recorded")
    raise _ENDINGS[run.status](
        run.id, f"run {run.id!r} {run.status}: {error.message}", code=error.code, stack=error.stack
    )
