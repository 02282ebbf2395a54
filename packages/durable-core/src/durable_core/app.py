"""The door for synchronous applications. No logic in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, overload

from durable_core.blocking_runtime import BlockingRuntime
from durable_core.context import WorkflowContext
from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError
from durable_core.handles import RunHandle
from durable_core.machinery import Machinery
from durable_core.queries import RunQuery
from durable_core.records import WorkflowRun
from durable_core.registry import Step, Workflow
from durable_core.runtime import Runtime
from durable_core.settings import DurableOptions, StartOptions, StepOptions, engine_options, retry_policy
from durable_core.store import BlockingStateStore
from durable_core.typed import TypedValue
from durable_core.worker import WorkerLoop

__all__ = ["Durable"]

P = ParamSpec("P")
R = TypeVar("R")
InputT = TypeVar("InputT")


class _RegistersWorkflow(Protocol):
    @overload
    def __call__(self, body: Callable[[WorkflowContext], R]) -> Workflow[None, R]: ...
    @overload
    def __call__(self, body: Callable[[WorkflowContext, InputT], R]) -> Workflow[InputT, R]: ...


class Durable:
    """Durable workflows over a blocking store: for Flask, scripts and worker processes.

    Every call works in the caller's thread, connection and open transaction. Threads exist only inside `worker`.
    """

    def __init__(
        self, store: BlockingStateStore, *, runtime: Runtime | None = None, **options: Unpack[DurableOptions]
    ) -> None:
        if not store.blocking:
            raise ConfigurationError(f"{store!r} really awaits: use AsyncDurable, and async def workflows")
        self._machinery = Machinery(
            store,
            runtime if runtime is not None else BlockingRuntime(),
            engine_options(options),
            asynchronous=False,
            open_context=WorkflowContext,
        )
        self._runs = self._machinery.runs

    # --- definitions --------------------------------------------------------------------------------------------

    def workflow(self, *, name: str | None = None, version: str = "1", tags: Sequence[str] = ()) -> _RegistersWorkflow:
        """Register a `def` taking (ctx) or (ctx, input) as a workflow.

        A run keeps the version that it was started with: keep the code of a version while it has runs. Raises
        `InvalidDefinition`.
        """

        def register(body: Callable[..., Any]) -> Workflow[Any, Any]:
            return self._machinery.registry.add_workflow(body, name=name, version=version, tags=tuple(tags))

        return register

    @overload
    def step(self, function: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def step(self, /, **options: Unpack[StepOptions]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
    def step(self, function: Callable[..., Any] | None = None, /, **options: Unpack[StepOptions]) -> Any:
        """Register a `def` as a step, with its retry policy. Raises `InvalidDefinition`."""

        def register(function: Callable[..., Any]) -> Step[..., Any]:
            retry = retry_policy(options)
            return self._machinery.registry.add_step(function, name=options.get("name"), retry=retry)

        return register if function is None else register(function)

    # --- runs ---------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Make sure of the tables now, rather than at the first use. Call it outside of any transaction."""
        run_blocking(self._runs.boot())

    @overload
    def start(self, workflow: Workflow[None, R], /, **options: Unpack[StartOptions]) -> RunHandle[R]: ...
    @overload
    def start(
        self, workflow: Workflow[InputT, R], input: InputT, /, **options: Unpack[StartOptions]
    ) -> RunHandle[R]: ...
    @overload
    def start(
        self, workflow: str, input: Any = None, /, *, version: str | None = None, **options: Unpack[StartOptions]
    ) -> RunHandle[Any]: ...
    def start(
        self,
        workflow: Workflow[Any, Any] | str,
        input: Any = None,
        /,
        *,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> RunHandle[Any]:
        """Create a run, to be executed by a worker; return its handle.

        Joins the caller's open transaction: the run exists if and only if that commits. Idempotent by *id*: if the
        run is there already its handle is returned and nothing is written. A name may be given in place of the
        workflow; its newest version, or *version*, is started. Raises `WorkflowNotRegistered`, `InvalidValue`
        (also for an input that JSON cannot hold), `RunAlreadyExists`, all before anything is written.
        """
        started, run_id = run_blocking(self._runs.start(workflow, input, version, options))
        return RunHandle(self._runs, run_id, started.result)

    def handle(self, run_id: str) -> RunHandle[Any]:
        """A handle on a run by its id; nothing is looked up yet."""
        return RunHandle(self._runs, run_id, TypedValue(Any, f"run {run_id!r}"))

    def signal(self, token: str, payload: Any = None) -> bool:
        """Send *payload* to the run that waits for *token*, or keep it for the one that will.

        True if a run was waiting. Never lost and never given twice. Joins the caller's open transaction.
        """
        return run_blocking(self._runs.signal(token, payload))

    def cancel(self, run_id: str, reason: str = "cancelled") -> bool:
        """End a live run as cancelled; False if it had ended already. Raises `RunNotFound`.

        A turn under way is fenced off: it writes nothing more and stops at its next call. Joins the caller's open
        transaction.
        """
        return run_blocking(self._runs.cancel(run_id, reason))

    def get_run(self, run_id: str) -> WorkflowRun:
        """The run. Raises `RunNotFound`."""
        return run_blocking(self._runs.get(run_id))

    def list_runs(self, query: RunQuery | None = None) -> list[WorkflowRun]:
        """The runs that match *query* (default: all of every namespace), newest first."""
        return run_blocking(self._runs.list(query if query is not None else RunQuery()))

    # --- workers ------------------------------------------------------------------------------------------------

    @contextmanager
    def worker(self, *, concurrency: int = 4) -> Iterator[WorkerLoop]:
        """Serve runs on threads of this process while the block lasts; then drain.

        Turns under way go on to their next step and are handed over; those that have not come there within the
        grace period are left to their leases.
        """
        self.boot()
        loop = self._machinery.worker_loop(concurrency)
        beside = self._machinery.runtime.beside(loop.run)
        run_blocking(_enter(beside))
        try:
            yield loop
        finally:
            loop.stop()
            run_blocking(_leave(beside))

    def worker_loop(self, *, concurrency: int = 4, namespace: str | None = None) -> WorkerLoop:
        """The loop behind `worker`, for programs that run it on a thread of their own; *namespace* overrides ours."""
        return self._machinery.worker_loop(concurrency, namespace)

    def run_until_idle(self) -> int:
        """Take every runnable run as far as it gets, in this thread, one after the other; return the turns taken."""
        return run_blocking(self._machinery.worker_loop(1).run_until_idle())


async def _enter(manager: Any) -> None:
    await manager.__aenter__()


async def _leave(manager: Any) -> None:
    await manager.__aexit__(None, None, None)
