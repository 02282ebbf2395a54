"""An async engine over a store that really awaits and a clock that jumps, on a loop of its own for each test."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from awaiting_store import AwaitingStore
from durable_core import AsyncDurable
from durable_core.records import StepCheckpoint, WorkflowRun
from durable_core.testing import FakeRuntime

__all__ = ["AsyncWorld", "on_a_loop"]


class AsyncWorld:
    """One store and one clock; the run in question is called r."""

    def __init__(self) -> None:
        self.store: Any = AwaitingStore()
        self.runtime = FakeRuntime(blocking=False)
        self.durable = self.process()
        self.log: list[str] = []

    def process(self, **options: Any) -> AsyncDurable:
        """A new process on the same store: it remembers nothing."""
        return AsyncDurable(self.store, runtime=self.runtime, **options)

    async def start(self, workflow: Any) -> Any:
        """Start r and serve it as far as it gets."""
        handle = await self.durable.start(workflow, id="r")
        await self.durable.run_until_idle()
        return handle

    async def later(self, duration: str) -> None:
        """Let time pass, and serve what is due."""
        self.runtime.advance(duration)
        await self.durable.run_until_idle()

    def step(self, name: str, wait: asyncio.Event | None = None, **options: Any) -> Any:
        """A step that logs when it begins and ends, and may wait in between."""

        @self.durable.step(name=name, **options)
        async def step() -> str:
            self.log.append(f"{name} begins")
            if wait is not None:
                await wait.wait()
            await asyncio.sleep(0)
            self.log.append(f"{name} ends")
            return name

        return step

    async def run(self) -> WorkflowRun:
        """The run as the store has it."""
        run: WorkflowRun | None = await self.store.get_run("r")
        assert run is not None
        return run

    async def history(self) -> list[StepCheckpoint]:
        """Its checkpoints."""
        checkpoints: list[StepCheckpoint] = await self.store.list_checkpoints("r")
        return checkpoints

    async def names(self) -> list[tuple[int, str]]:
        """Where and under which names they stand."""
        return [(one.seq, one.name) for one in await self.history()]


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run *test* on a loop of its own, within a minute; a task that outlives it is a failure."""

    async def whole(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(60):
            await test(AsyncWorld(), *args, **kwargs)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

    @functools.wraps(test)
    def running(*args: Any, **kwargs: Any) -> None:
        asyncio.run(whole(*args, **kwargs))

    # pytest reads the parameters of a test; the world is none of them.
    parameters = list(inspect.signature(test).parameters.values())[1:]
    running.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    del running.__wrapped__
    return running
