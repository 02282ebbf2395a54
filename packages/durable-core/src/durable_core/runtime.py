"""The one source of time, chance, ids and concurrency. Engine and SQL see nothing else of the world.

Three implementations: `durable_core.blocking_runtime` (threads), `durable_core.asyncio_runtime` (tasks) and
`durable_core.testing` (a clock that jumps, so that a seven-day sleep takes no time in a test).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar

__all__ = ["Bell", "Crew", "Runtime", "Scope", "TimeoutReached"]

T = TypeVar("T")


class Bell(Protocol):
    """Wakes a waiting loop early. Ringing is free, thread-safe, and remembered until the next wait."""

    def ring(self) -> None:
        """Make the current or the next `wait` return at once."""

    async def wait(self, timeout_ms: int) -> None:
        """Return when the bell rings, at the latest after *timeout_ms*."""


class Crew(Protocol):
    """A bounded number of turns at once: threads, tasks, or (under the fake runtime) one after the other."""

    @property
    def free(self) -> int:
        """How many more turns may start now."""

    @property
    def busy(self) -> int:
        """How many turns are under way."""

    def start(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Begin *turn*; it never raises out of the crew."""

    async def join(self, timeout_ms: int) -> bool:
        """Wait for the turns under way; False if some still run after *timeout_ms*."""

    async def close(self) -> None:
        """Let go of threads or tasks. Turns still under way are abandoned to their leases."""


class TimeoutReached(Exception):
    """A timeout in the body's own code ran out around one of its operations; the message is the timeout's name."""


class Scope(Protocol):
    """Everything that a body runs in one turn. None of it outlives the turn."""

    @property
    def cancelled(self) -> bool:
        """Whether the turn is being cancelled: then nothing more of it may be recorded."""

    def is_here(self) -> bool:
        """Whether the caller is on the thread that the body belongs to."""

    def is_body(self) -> bool:
        """Whether the caller is the body itself, and not something that it runs beside."""

    async def body(self, body: Callable[[], Awaitable[T]]) -> T:
        """Run the body. A cancellation that it raised by itself is `StrayCancellation`."""

    async def operation(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation of the body to its end, also if the body's own code cancels the call: that is raised then.

        Raises `TimeoutReached` if it was a timeout that did. Cuts the operation off if the turn is cancelled.
        """

    async def in_turn(self, rank: tuple[float, int], is_due: Callable[[], bool]) -> None:
        """Return when it is the caller's turn: the lowest *rank* of those that wait, and *is_due* says so.

        Between one caller and the next all is quiet, so that what the one did next is done.
        """

    def users_code(self, what: str) -> AbstractContextManager[None]:
        """Around code of the user inside an operation.

        A cancellation that it raised by itself is `StrayCancellation`; one of the turn passes, even if swallowed.
        """

    async def timeout(self) -> str | None:
        """The name of a timeout that the body has set around its operations, if there is one."""

    def leaving(self) -> None:
        """The caller is about to raise control flow, which nobody needs to be told of."""

    async def close(self) -> None:
        """Cancel what the body has left behind, and wait for its end."""


class Runtime(Protocol):
    """Time, ids, waiting, user code and helpers."""

    @property
    def blocking(self) -> bool:
        """Whether awaits of this runtime never suspend; must equal the store's."""

    def now_ms(self) -> int:
        """The wall clock, as epoch milliseconds."""

    def new_id(self) -> str:
        """A fresh random id."""

    def chance(self) -> float:
        """A random number in [0, 1)."""

    async def sleep(self, ms: int) -> None:
        """Wait."""

    async def give_way(self, busy: Callable[[], bool]) -> None:
        """Let the other tasks of this loop go on: for a moment, and for as long as *busy* says that they work.

        On threads nothing else could go on, so there it returns at once.
        """

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run user code and return its result.

        The blocking runtime calls a plain function in this very thread, connection and transaction. The asyncio one
        awaits a coroutine function and sends a plain one to a thread.
        """

    def every(
        self,
        interval_ms: int,
        action: Callable[[], Awaitable[None]],
        around: Callable[[], AbstractAsyncContextManager[None]],
    ) -> AbstractAsyncContextManager[None]:
        """Run *action* every *interval_ms* beside the block, on a thread or task of its own, until the block ends.

        All rounds are inside one *around*, if that can be entered: that is where a connection is kept.
        """

    def beside(self, work: Callable[[], Awaitable[None]]) -> AbstractAsyncContextManager[None]:
        """Run *work* once beside the block, on a thread or task of its own; the block's end waits for it to end."""

    def scope(self) -> Scope:
        """A new scope, for the turn that the caller is about to run."""

    def bell(self) -> Bell:
        """A new bell."""

    def crew(self, size: int, around: Callable[[], AbstractAsyncContextManager[None]]) -> Crew:
        """A new crew of at most *size* turns at once.

        Every thread or task of it works inside *around*, which a busy one enters once for many turns: that is where a
        connection is kept. A turn that was started runs, also when *around* cannot be entered.
        """
