"""`Runtime` on an event loop: what `AsyncDurable` uses."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, Literal

from durable_core.keeping import kept
from durable_core.task_scope import TaskScope

__all__ = ["AsyncioRuntime", "TaskBell", "TaskCrew"]

_log = logging.getLogger("durable")

#: Rounds of the loop that a result may need to reach its awaiter through tasks, groups and timeouts around it.
_QUIET_ROUNDS: Final = 16
_BUSY_LOOK_S: Final = 0.01


class AsyncioRuntime:
    """Tasks and real time.

    Helper tasks start in a copy of the context in which the runtime was made, so that they never inherit a request's
    open transaction.
    """

    blocking: Literal[False] = False

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def now_ms(self) -> int:
        """The wall clock, as epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

    def chance(self) -> float:
        """A random number in [0, 1)."""
        return random.random()

    async def sleep(self, ms: int) -> None:
        """Suspend this task."""
        await asyncio.sleep(ms / 1000)

    async def give_way(self, busy: Callable[[], bool]) -> None:
        """Yield until *busy* has been false for a while: a task just resumed may be about to begin something."""
        quiet = 0
        while quiet < _QUIET_ROUNDS:
            if busy():
                quiet = 0
                await asyncio.sleep(_BUSY_LOOK_S)
            else:
                quiet += 1
                await asyncio.sleep(0)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Await a coroutine function; run a plain one on a thread that keeps nobody from ending."""
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        result = await _on_a_daemon_thread(partial(_contained, function, *args, **kwargs))
        return await result if inspect.isawaitable(result) else result

    @asynccontextmanager
    async def every(
        self,
        interval_ms: int,
        action: Callable[[], Awaitable[None]],
        around: Callable[[], AbstractAsyncContextManager[None]],
    ) -> AsyncIterator[None]:
        """Run *action* in a task until the block ends; an error is logged and the next round still comes."""
        ended = asyncio.Event()

        async def rounds() -> None:
            async with kept(around):
                # Also asked for: a driver may lose our cancellation (before Python 3.12 asyncio.wait_for() does).
                while not ended.is_set():
                    await asyncio.sleep(interval_ms / 1000)
                    await _finish(action)

        task = self._spawn(rounds())
        try:
            yield
        finally:
            ended.set()
            task.cancel()
            # Not `await task` with its cancellation suppressed: that would swallow one of the block's own as well.
            await asyncio.wait([task])

    @asynccontextmanager
    async def beside(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run *work* in a task; the block's end waits for it."""
        task = self._spawn(_finish(work))
        try:
            yield
        finally:
            await task

    def scope(self) -> TaskScope:
        """A scope of the current task."""
        return TaskScope()

    def bell(self) -> TaskBell:
        """A bell on an asyncio.Event."""
        return TaskBell()

    def crew(self, size: int, around: Callable[[], AbstractAsyncContextManager[None]]) -> TaskCrew:
        """A crew of tasks, each inside *around*."""
        return TaskCrew(size, self._spawn, around)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())


class TaskBell:
    """`Bell` for tasks; may be rung from any thread."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def ring(self) -> None:
        """Set the flag, and wake the waiting task on its own loop."""
        self._rung = True
        if (waiting := self._waiting) is not None:
            loop, event = waiting
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(event.set)

    async def wait(self, timeout_ms: int) -> None:
        """Wait for the flag."""
        event = asyncio.Event()
        self._waiting = (asyncio.get_running_loop(), event)
        try:
            if not self._rung:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout_ms / 1000):
                        await event.wait()
        finally:
            self._waiting = None
            self._rung = False


class TaskCrew:
    """`Crew` of tasks."""

    def __init__(
        self,
        size: int,
        spawn: Callable[[Any], asyncio.Task[None]],
        around: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._size = size
        self._spawn = spawn
        self._around = around
        self._room = asyncio.Semaphore(size)
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        """Turns under way."""
        return len(self._turns)

    @property
    def free(self) -> int:
        """Room left."""
        return max(0, self._size - len(self._turns))

    def start(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Run *turn* in a task."""

        async def inside() -> None:
            async with self._room, kept(self._around):
                await turn()

        task = self._spawn(_finish(inside))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def join(self, timeout_ms: int) -> bool:
        """Wait for the tasks."""
        if not self._turns:
            return True
        _, pending = await asyncio.wait(set(self._turns), timeout=timeout_ms / 1000)
        return not pending

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in set(self._turns):
            task.cancel()
        if self._turns:
            await asyncio.wait(set(self._turns))


def _contained(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # A future cannot hold StopIteration: on Python 3.11 whoever awaits it would wait for ever.
    try:
        return function(*args, **kwargs)
    except StopIteration as stop:
        name = getattr(function, "__qualname__", repr(function))
        raise RuntimeError(f"{name} raised StopIteration") from stop


async def _on_a_daemon_thread(function: Callable[[], Any]) -> Any:
    # Not asyncio.to_thread: the loop's own executor is waited for when the loop and when the process ends, and a
    # step that outlives the grace period would keep a stopped worker alive.
    context = contextvars.copy_context()
    ended: Future[Any] = Future()
    ended.set_running_or_notify_cancel()

    def work() -> None:
        try:
            ended.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            ended.set_exception(error)

    threading.Thread(target=work, name="durable-call", daemon=True).start()
    return await asyncio.wrap_future(ended)


async def _finish(action: Callable[[], Awaitable[None]]) -> None:
    try:
        await action()
    except (Exception, SystemExit):  # noqa: BLE001 - asyncio would end the whole loop for a step's sys.exit()
        _log.exception("durable: background work failed; it will be taken up again")
