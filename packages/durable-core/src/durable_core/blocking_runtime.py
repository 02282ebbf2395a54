"""`Runtime` on threads: what `Durable` uses."""

from __future__ import annotations

import inspect
import logging
import queue
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Literal, TypeVar, cast

from durable_core.drive import run_blocking
from durable_core.errors import InvalidDefinition
from durable_core.keeping import kept
from durable_core.thread_crew import ThreadCrew

__all__ = ["BlockingRuntime", "ThreadBell", "ThreadScope"]

T = TypeVar("T")

_log = logging.getLogger("durable")


class BlockingRuntime:
    """Threads and real time."""

    blocking: Literal[True] = True

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
        """Block this thread."""
        time.sleep(ms / 1000)

    async def give_way(self, busy: Callable[[], bool]) -> None:
        """Nothing: this thread is the turn's only one."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* in this thread; refuse what it returns if that is a coroutine."""
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.close()
            raise InvalidDefinition(
                f"{getattr(function, '__qualname__', function)!s} returned a coroutine, which nobody would await under "
                "Durable: make it a plain def, or use AsyncDurable"
            )
        return result

    @asynccontextmanager
    async def every(
        self,
        interval_ms: int,
        action: Callable[[], Awaitable[None]],
        around: Callable[[], AbstractAsyncContextManager[None]],
    ) -> AsyncIterator[None]:
        """Run *action* on a daemon thread until the block ends; an error is logged and the next round still comes."""
        stopped = threading.Event()

        async def rounds() -> None:
            async with kept(around):
                while not stopped.wait(interval_ms / 1000):
                    _finish(action)

        thread = threading.Thread(target=_finish, args=(rounds,), name="durable-every", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(timeout=5)

    @asynccontextmanager
    async def beside(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run *work* on a daemon thread; the block's end waits for it."""
        thread = threading.Thread(target=_finish, args=(work,), name="durable-worker", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def scope(self) -> ThreadScope:
        """A scope of this thread."""
        return ThreadScope()

    def bell(self) -> ThreadBell:
        """A bell for threads."""
        return ThreadBell()

    def crew(self, size: int, around: Callable[[], AbstractAsyncContextManager[None]]) -> ThreadCrew:
        """A crew of daemon threads."""
        return ThreadCrew(size, around)


class ThreadScope:
    """`Scope` of one thread: nothing in it can be cancelled or left behind."""

    cancelled: Literal[False] = False

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def is_here(self) -> bool:
        """Whether this is the thread that made the scope."""
        return threading.get_ident() == self._thread

    def is_body(self) -> bool:
        """Always: there is nothing beside it."""
        return True

    async def body(self, body: Callable[[], Awaitable[T]]) -> T:
        """Run *body*."""
        return await body()

    async def operation(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run *operation*."""
        return await operation()

    async def in_turn(self, rank: tuple[float, int], is_due: Callable[[], bool]) -> None:
        """At once: nobody else waits."""

    def users_code(self, what: str) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    async def timeout(self) -> None:
        """None: a thread has no timeouts."""

    def leaving(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


class ThreadBell:
    """`Bell` for threads; a signal handler may ring it, also in the middle of its own `wait`."""

    def __init__(self) -> None:
        # Not an Event: a handler that sets it while its thread holds the Event's lock would wait for itself.
        self._rung: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """Leave word, once."""
        if self._rung.empty():
            self._rung.put(None)

    async def wait(self, timeout_ms: int) -> None:
        """Wait for word, then forget it."""
        with suppress(queue.Empty):
            self._rung.get(timeout=timeout_ms / 1000)
            while True:
                self._rung.get_nowait()


def _finish(action: Callable[[], Awaitable[None]]) -> None:
    try:
        run_blocking(cast("Coroutine[Any, Any, None]", action()))
    except Exception:  # noqa: BLE001 - a helper must outlive whatever its work raises
        _log.exception("durable: background work failed; it will be taken up again")
