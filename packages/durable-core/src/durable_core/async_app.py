"""The door for asyncio applications. No logic in here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, overload

from durable_core.asyncio_runtime import AsyncioRuntime
from durable_core.context import AsyncWorkflowContext
from durable_core.handles import AsyncRunHandle
from durable_core.machinery import Machinery
from durable_core.queries import RunQuery
from durable_core.records import WorkflowRun
from durable_core.registry import Step, Workflow
from durable_core.runtime import Runtime
from durable_core.settings import DurableOptions, StartOptions, StepOptions, engine_options, retry_policy
from durable_core.store import StateStore
from durable_core.typed import TypedValue
from durable_core.worker import WorkerLoop

__all__ = ["AsyncDurable"]

P = ParamSpec("P")
R = TypeVar("R")
InputT = TypeVar("InputT")


class _RegistersWorkflow(Protocol):
    @overload
    def __call__(self, body: Callable[[AsyncWorkflowContext], Coroutine[Any, Any, R]]) -> Workflow[None, R]: ...
    @overload
    def __call__(
        self, body: Callable[[AsyncWorkflowContext, InputT], Coroutine[Any, Any, R]]
    ) -> Workflow[InputT, R]: ...


class AsyncDurable:
    """Durable workflows on an event loop. The same promises as `Durable`, awaited.

    *store* is an async store, or ``offload(blocking_store)``. *lifespan* makes what the application opens when it
    starts and closes when it ends, above all its ORM: ``durable worker`` is inside it while it serves. A program that
    calls us itself has opened that already.

    A `def` step runs on a thread of its own, with a copy of the context, in no transaction of the loop's. Cancelling
    the task of a worker, or ending its loop, rolls back what is under way and records nothing more of it, even if user
    code swallows the cancellation: the run comes back when its lease ends. Only a thread cannot be stopped: there a
    `def` step goes on to its end, unrecorded. A `CancelledError` of user code's own is an error (`StrayCancellation`).
    """

    def __init__(
        self,
        store: StateStore,
        *,
        runtime: Runtime | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext,
        **options: Unpack[DurableOptions],
    ) -> None:
        self.lifespan = lifespan
        self._machinery = Machinery(
            store,
            runtime if runtime is not None else AsyncioRuntime(),
            engine_options(options),
            asynchronous=True,
            open_context=AsyncWorkflowContext,
        )
        self._runs = self._machinery.runs

    # --- definitions --------------------------------------------------------------------------------------------

    def workflow(self, *, name: str | None = None, version: str = "1", tags: Sequence[str] = ()) -> _RegistersWorkflow:
        """Register an `async def` as a workflow; see `Durable.workflow`."""

        def register(body: Callable[..., Any]) -> Workflow[Any, Any]:
            return self._machinery.registry.add_workflow(body, name=name, version=version, tags=tuple(tags))

        return register

    @overload
    def step(self, function: Callable[P, R], /) -> Step[P, R]: ...
    @overload
    def step(self, /, **options: Unpack[StepOptions]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
    def step(self, function: Callable[..., Any] | None = None, /, **options: Unpack[StepOptions]) -> Any:
        """Register a step: an `async def`, or a `def` that will run on a thread; see `Durable.step`."""

        def register(function: Callable[..., Any]) -> Step[..., Any]:
            retry = retry_policy(options)
            return self._machinery.registry.add_step(function, name=options.get("name"), retry=retry)

        return register if function is None else register(function)

    # --- runs ---------------------------------------------------------------------------------------------------

    async def boot(self) -> None:
        """See `Durable.boot`."""
        await self._runs.boot()

    @overload
    async def start(self, workflow: Workflow[None, R], /, **options: Unpack[StartOptions]) -> AsyncRunHandle[R]: ...
    @overload
    async def start(
        self, workflow: Workflow[InputT, R], input: InputT, /, **options: Unpack[StartOptions]
    ) -> AsyncRunHandle[R]: ...
    @overload
    async def start(
        self, workflow: str, input: Any = None, /, *, version: str | None = None, **options: Unpack[StartOptions]
    ) -> AsyncRunHandle[Any]: ...
    async def start(
        self,
        workflow: Workflow[Any, Any] | str,
        input: Any = None,
        /,
        *,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> AsyncRunHandle[Any]:
        """See `Durable.start`. Over an offloaded store it runs on another thread, outside of any transaction here."""
        started, run_id = await self._runs.start(workflow, input, version, options)
        return AsyncRunHandle(self._runs, run_id, started.result)

    def handle(self, run_id: str) -> AsyncRunHandle[Any]:
        """A handle on a run by its id; nothing is looked up yet."""
        return AsyncRunHandle(self._runs, run_id, TypedValue(Any, f"run {run_id!r}"))

    async def signal(self, token: str, payload: Any = None) -> bool:
        """See `Durable.signal`."""
        return await self._runs.signal(token, payload)

    async def cancel(self, run_id: str, reason: str = "cancelled") -> bool:
        """See `Durable.cancel`."""
        return await self._runs.cancel(run_id, reason)

    async def get_run(self, run_id: str) -> WorkflowRun:
        """The run. Raises `RunNotFound`."""
        return await self._runs.get(run_id)

    async def list_runs(self, query: RunQuery | None = None) -> list[WorkflowRun]:
        """See `Durable.list_runs`."""
        return await self._runs.list(query if query is not None else RunQuery())

    # --- workers ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def worker(self, *, concurrency: int = 4) -> AsyncIterator[WorkerLoop]:
        """Serve runs in tasks of this loop while the block lasts; then drain, as `Durable.worker` does."""
        async with self._machinery.store.connected():  # not in a transaction that the caller's task was born into
            await self.boot()
        loop = self._machinery.worker_loop(concurrency)
        async with self._machinery.runtime.beside(loop.run):
            try:
                yield loop
            finally:
                loop.stop()

    def worker_loop(self, *, concurrency: int = 4, namespace: str | None = None) -> WorkerLoop:
        """The loop behind `worker`; *namespace* overrides ours."""
        return self._machinery.worker_loop(concurrency, namespace)

    async def run_until_idle(self) -> int:
        """See `Durable.run_until_idle`."""
        return await self._machinery.worker_loop(1).run_until_idle()
