"""Tests without waiting: a clock that jumps."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import coroutine
from typing import Any, Final

from durable_core.blocking_runtime import BlockingRuntime, ThreadScope
from durable_core.durations import Duration, duration_ms
from durable_core.runtime import Scope
from durable_core.task_scope import TaskScope

__all__ = ["FakeBell", "FakeCrew", "FakeRuntime"]

_QUIET_ROUNDS: Final = 16


class FakeRuntime:
    """A `Runtime` without threads, tasks or waiting, for both doors.

    Time stands still but for `advance` and for sleeps, which jump. Ids count up. Turns run one after the other, in
    the thread that drives them.

        runtime = FakeRuntime()
        durable = Durable(InMemoryStateStore(), runtime=runtime)
        handle = durable.start(checkout, order)
        durable.run_until_idle()
        runtime.advance("7 days")
        durable.run_until_idle()
    """

    def __init__(self, *, now_ms: int = 1_767_225_600_000, blocking: bool = True) -> None:
        self.blocking = blocking
        self._now_ms = now_ms
        self._ids = 0
        self._crews: list[FakeCrew] = []

    def advance(self, duration: Duration) -> None:
        """Let *duration* pass."""
        self._now_ms += duration_ms(duration)

    def now_ms(self) -> int:
        """The fake clock."""
        return self._now_ms

    def new_id(self) -> str:
        """id-1, id-2, ..."""
        self._ids += 1
        return f"id-{self._ids}"

    def chance(self) -> float:
        """Always in the middle."""
        return 0.5

    async def sleep(self, ms: int) -> None:
        """Let the time pass at once."""
        self._now_ms += ms

    async def give_way(self, busy: Callable[[], bool]) -> None:
        """As the real runtimes do; no fake time passes."""
        quiet = 0
        while not self.blocking and quiet < _QUIET_ROUNDS:
            quiet = 0 if busy() else quiet + 1
            await _pause()

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* here; await what it returns, or refuse it where the real runtime would."""
        if self.blocking:
            return await BlockingRuntime().call(function, *args, **kwargs)
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    @asynccontextmanager
    async def every(
        self,
        interval_ms: int,
        action: Callable[[], Awaitable[None]],
        around: Callable[[], AbstractAsyncContextManager[None]],
    ) -> AsyncIterator[None]:
        """Nothing happens beside the block: no time passes there that a test has not asked for."""
        yield

    def scope(self) -> Scope:
        """As the real runtimes do."""
        return ThreadScope() if self.blocking else TaskScope()

    def bell(self) -> FakeBell:
        """A bell whose waiting is a jump."""
        return FakeBell(self)

    def crew(self, size: int, around: Callable[[], AbstractAsyncContextManager[None]]) -> FakeCrew:
        """A crew of one, in this thread, whose turns run while somebody waits."""
        crew = FakeCrew()
        self._crews.append(crew)
        return crew

    @asynccontextmanager
    async def beside(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """There is no beside: *work* runs when the block ends."""
        yield
        await work()

    async def run_queued(self) -> None:
        """Run the turns that crews have queued."""
        for crew in self._crews:
            await crew.join(0)


class FakeBell:
    """`Bell` of the fake clock."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self._rung = False

    def ring(self) -> None:
        """Remember."""
        self._rung = True

    async def wait(self, timeout_ms: int) -> None:
        """Run what is queued; then jump, unless it rang."""
        await self._runtime.run_queued()
        if not self._rung:
            await self._runtime.sleep(timeout_ms)
        self._rung = False


class FakeCrew:
    """`Crew` that collects turns and runs them when joined or asked for room."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], Awaitable[None]]] = []
        self.free = 1
        self.busy = 0

    def start(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Queue the turn until somebody waits."""
        self._waiting.append(turn)
        self.free, self.busy = 0, len(self._waiting)

    async def join(self, timeout_ms: int) -> bool:
        """Run what is queued."""
        while self._waiting:
            await self._waiting.pop(0)()
        self.free, self.busy = 1, 0
        return True

    async def close(self) -> None:
        """Nothing to let go of."""


@coroutine
def _pause() -> Generator[None, None, None]:
    """Let every event loop take one more round."""
    yield
