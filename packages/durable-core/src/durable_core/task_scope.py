"""What one turn runs on an event loop: tasks of its own, none of which outlives it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

from durable_core.errors import StoreError, StrayCancellation
from durable_core.one_by_one import OneByOne
from durable_core.runtime import TimeoutReached

__all__ = ["TaskScope"]

_log = logging.getLogger("durable.turns")

T = TypeVar("T")

#: How long code of a body that was cancelled may go on cleaning up before its turn no longer waits for it.
_LAST_WORDS_S: Final = 5.0

#: Set in the body and in the tasks that it makes; not inside its operations: what a step starts (the tasks of a
#: connection pool, say) is the application's.
_SCOPE: contextvars.ContextVar[TaskScope | None] = contextvars.ContextVar("durable_scope", default=None)


class TaskScope:
    """`Scope` of tasks. Made by the task that runs the turn; cancelled when that one is.

    The body gets a task of its own, and so does each operation: the body's code may cancel its calls (timeouts, task
    groups), but an operation that has begun is cut off only when the turn is.
    """

    def __init__(self) -> None:
        runner = asyncio.current_task()
        if runner is None:
            raise RuntimeError("a turn needs a task")
        self._runner = runner
        self._cancels = runner.cancelling()
        self._thread = threading.get_ident()
        self._gate = OneByOne()
        self._body: asyncio.Task[Any] | None = None
        self._callers: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._operations: set[asyncio.Task[Any]] = set()

    @property
    def cancelled(self) -> bool:
        """Whether the task that runs the turn was cancelled."""
        return self._runner.cancelling() > self._cancels

    def is_here(self) -> bool:
        """Whether this is the thread of the loop."""
        return threading.get_ident() == self._thread

    def is_body(self) -> bool:
        """Whether this is the body's own task."""
        return asyncio.current_task() is self._body

    async def body(self, body: Callable[[], Awaitable[T]]) -> T:
        """Run *body* in a task."""
        task = self._begin(body, self)
        self._body = task
        await asyncio.wait([task])
        return _outcome(task, _stray("the workflow's body"))

    async def operation(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run *operation* in a task, to its end unless the turn is cancelled."""
        caller = asyncio.current_task()
        if caller is not None:
            self._callers.add(caller)
        task = self._begin(operation, None)
        self._operations.add(task)
        cancellation: asyncio.CancelledError | None = None
        timeout: str | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancellation = error
                if self.cancelled and not task.cancelling():
                    task.cancel()  # once, or its clean-up would be cancelled as well
            if cancellation is not None and not self.cancelled:
                timeout = timeout or await self._expired()
        self._operations.discard(task)
        if timeout is not None:
            raise TimeoutReached(timeout)
        if cancellation is not None:
            raise cancellation
        return _outcome(task, StoreError("a call of the store was cancelled, although nobody cancelled the turn"))

    async def in_turn(self, rank: tuple[float, int], is_due: Callable[[], bool]) -> None:
        """Wait behind those of a lower *rank*."""
        await self._gate.wait(rank, is_due)

    @contextmanager
    def users_code(self, what: str) -> Iterator[None]:
        """A cancellation of the turn passes even if the block swallows it; one of the block's own is an error."""
        try:
            yield
        except asyncio.CancelledError as error:
            if not self.cancelled:
                raise _stray(what) from error
            raise
        except Exception as error:
            if self.cancelled:
                raise asyncio.CancelledError from error
            raise
        if self.cancelled:
            raise asyncio.CancelledError

    async def timeout(self) -> str | None:
        """Which of asyncio's timeouts the body has set around its operations."""
        return await self._look(lambda timeout: timeout.when() is not None)

    async def _expired(self) -> str | None:
        try:
            return await self._look(asyncio.Timeout.expired)
        except asyncio.CancelledError:  # another one: the first is what counts
            return None

    async def _look(self, counts: Callable[[asyncio.Timeout], bool]) -> str | None:
        # The stack of a coroutine can be looked at while it is suspended, and ours is just running.
        found: asyncio.Future[str | None] = self._runner.get_loop().create_future()

        def look() -> None:
            if not found.done():
                found.set_result(self._find_timeout(counts))

        self._runner.get_loop().call_soon(look)
        return await found

    def leaving(self) -> None:
        """Nobody has to look at how the current task ends: the turn knows."""
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(_looked_at)

    async def close(self) -> None:
        """Cancel what the body has left behind, and wait for its end."""
        ends = self._runner.get_loop().time() + _LAST_WORDS_S
        while left := self._left():
            rest = ends - self._runner.get_loop().time()
            if rest <= 0:
                _log.warning("tasks of a workflow body go on after its turn, although they were cancelled: %s", left)
                return
            # The body first, for it cancels what it waits for; and nothing twice, which would cut off its clean-up.
            for task in left & {self._body} or left - self._operations:
                if not task.cancelling():
                    task.cancel()
            await asyncio.wait(left & {self._body} or left, timeout=rest)

    def _begin(
        self, work: Callable[[], Awaitable[T]], scope: TaskScope | None
    ) -> asyncio.Task[tuple[T, BaseException | None]]:
        context = contextvars.copy_context()
        context.run(_SCOPE.set, scope)
        return asyncio.get_running_loop().create_task(_ended(work), context=context)

    def _left(self) -> set[asyncio.Task[Any]]:
        return self._family() | {task for task in self._operations if not task.done()}

    def _family(self) -> set[asyncio.Task[Any]]:
        """The body, and the tasks that it has made."""
        return {task for task in asyncio.all_tasks() if _scope_of(task) is self}

    def _find_timeout(self, counts: Callable[[asyncio.Timeout], bool]) -> str | None:
        family = self._family()
        callers = {task for task in family if task is self._body or task in self._callers}
        if sys.version_info < (3, 12):  # there wait_for() makes a task of what it waits for
            callers |= {task for task in family if _waits_for(task) in callers}
        names = (_timeout_in(task, counts) for task in callers)
        return next((name for name in names if name is not None), None)


async def _ended(work: Callable[[], Awaitable[T]]) -> tuple[T, BaseException | None]:
    # As a value: asyncio would end the whole loop for a SystemExit, and log whatever nobody asks for.
    try:
        return await work(), None
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
        return cast("T", None), error


def _outcome(task: asyncio.Task[tuple[T, BaseException | None]], if_cancelled: Exception) -> T:
    try:
        result, error = task.result()
    except asyncio.CancelledError as cancelled:
        raise if_cancelled from cancelled
    if error is not None:
        raise error
    return result


def _stray(what: str) -> StrayCancellation:
    return StrayCancellation(
        f"{what} raised CancelledError, but nobody cancelled it: a task or future that it awaited was cancelled"
    )


def _looked_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _scope_of(task: asyncio.Task[Any]) -> TaskScope | None:
    # Task.get_context() is of Python 3.12.
    for held in gc.get_referents(task):
        if isinstance(held, contextvars.Context):
            return held.get(_SCOPE)
    return None


def _timeout_in(task: asyncio.Task[Any], counts: Callable[[asyncio.Timeout], bool]) -> str | None:
    name = "asyncio.timeout()"
    for coroutine in _chain(task):
        if _is_wait_for(coroutine):
            name = "asyncio.wait_for()"
            if sys.version_info < (3, 12) and coroutine.cr_frame.f_locals["timeout"] is not None:
                return name  # there is no asyncio.timeout() inside, nor any sign of having expired
        for held in _held(coroutine):
            if isinstance(held, asyncio.Timeout) and counts(held):
                return name
    return None


def _waits_for(task: asyncio.Task[Any]) -> Any:
    return next((one.cr_frame.f_locals["fut"] for one in _chain(task) if _is_wait_for(one)), None)


def _is_wait_for(coroutine: Any) -> bool:
    return getattr(coroutine, "cr_code", None) is asyncio.wait_for.__code__


def _chain(task: asyncio.Task[Any]) -> Iterator[Any]:
    """The coroutine of *task*, what it awaits, what that awaits, and so on."""
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        yield coroutine
        coroutine = getattr(coroutine, "cr_await", None)


def _held(coroutine: Any) -> Iterator[Any]:
    """The managers of the `async with` blocks that *coroutine* is suspended in: their exits lie on its stack."""
    frame = getattr(coroutine, "cr_frame", None)
    for held in (*gc.get_referents(coroutine), *(gc.get_referents(frame) if frame is not None else ())):
        yield getattr(held, "__self__", None)
