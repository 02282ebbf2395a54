"""Racers: several handles at once, on threads for a blocking store and on tasks for an async one.

All of a round start at one barrier; a round ends when all have ended. Rounds repeat because a race that is lost once
in fifty times is lost every night in production.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from durable_conformance.harness import Harness
from durable_conformance.opening import opened
from durable_core.drive import run_blocking
from durable_core.store import StateStore

__all__ = ["Crew", "Racer", "expect_connections", "racing", "rounds"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_ROUNDS: Final = 50
_FEWEST_ROUNDS: Final = 8
#: A slow disk ends the rounds early rather than the patience of whoever runs the suite.
_LONGEST_S: Final = 1.0
_STUCK_S: Final = 60.0
_EAGER_SWITCH_S: Final = 1e-5


class Racer(Protocol[T_co]):
    """What each racer does in a round, on a handle of its own; *number* counts from 0."""

    def __call__(self, store: StateStore, number: int, /) -> Awaitable[T_co]: ...


def rounds(most: int) -> Iterator[int]:
    """Count from 0: *most* times, fewer when the time is up."""
    ends = time.monotonic() + _LONGEST_S
    for number in range(most):
        if number >= _FEWEST_ROUNDS and time.monotonic() > ends:
            return
        yield number


@dataclass(frozen=True, slots=True)
class _Ended:
    value: Any = None
    error: BaseException | None = None


class Crew:
    """Racers that are ready to go."""

    def __init__(self, size: int, start: Callable[[Racer[Any]], Awaitable[list[_Ended]]]) -> None:
        self.size = size
        self._start = start

    def rounds(self, most: int = _ROUNDS) -> Iterator[int]:
        """Count rounds from 0: *most* of them, fewer when the time is up."""
        return rounds(most)

    async def together(self, racer: Racer[T]) -> list[T]:
        """Let every racer run *racer* at the same moment; return their results, or raise."""
        ended = await self._start(racer)
        for number, one in enumerate(ended):
            if one.error is not None:
                one.error.add_note(f"raised by racer {number} of {self.size}")
                raise one.error
        return [one.value for one in ended]


@asynccontextmanager
async def racing(harness: Harness, size: int) -> AsyncIterator[Crew]:
    """A crew of *size* for the block; afterwards no thread, task or connection of it is left."""
    before = harness.open_connections()
    async with (_on_threads if harness.blocking else _on_tasks)(harness, size) as crew:
        yield crew
    if before is not None:
        expect_connections(harness, before)


def expect_connections(harness: Harness, before: int) -> None:
    """Raise unless the database has, in a moment, no more connections than *before*."""
    ends = time.monotonic() + 2
    while (now := harness.open_connections()) is not None and now > before:
        # A server notices a closed connection a moment later.
        if time.monotonic() > ends:
            raise AssertionError(f"{now - before} connections are still open after every racer has left")
        threading.Event().wait(0.002)


class _Threads:
    """Racers on threads, each with a handle that lives as long as its thread."""

    def __init__(self, harness: Harness, size: int) -> None:
        self._harness = harness
        self._size = size
        self._barrier = threading.Barrier(size)
        self._inboxes: list[queue.SimpleQueue[Racer[Any] | None]] = [queue.SimpleQueue() for _ in range(size)]
        self._ended: queue.SimpleQueue[tuple[int, _Ended]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(size)]

    def begin(self) -> None:
        """Start the threads and wait until each has its handle."""
        for thread in self._threads:
            thread.start()
        for opening in self._collect():
            if opening.error is not None:
                raise opening.error

    async def round(self, racer: Racer[Any]) -> list[_Ended]:
        """Hand *racer* to every thread and wait until all have done it."""
        for inbox in self._inboxes:
            inbox.put(racer)
        return self._collect()

    def end(self) -> None:
        """Send the threads home, and raise if one does not go."""
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_STUCK_S)
        if any(thread.is_alive() for thread in self._threads):
            raise AssertionError("a racer never left")

    def _run(self, number: int) -> None:
        try:
            run_blocking(self._live(number))
        except BaseException as error:
            self._barrier.abort()
            self._ended.put((number, _Ended(error=error)))

    async def _live(self, number: int) -> None:
        async with opened(self._harness) as store:
            self._ended.put((number, _Ended()))
            while (racer := self._inboxes[number].get()) is not None:
                self._barrier.wait(_STUCK_S)
                self._ended.put((number, await _end_of(racer, store, number)))

    def _collect(self) -> list[_Ended]:
        results: dict[int, _Ended] = {}
        while len(results) < self._size:
            try:
                number, result = self._ended.get(timeout=_STUCK_S)
            except queue.Empty:
                raise AssertionError(f"a racer is stuck for {_STUCK_S:.0f} s: a deadlock, or a lock wait") from None
            results[number] = result
        return [results[number] for number in range(self._size)]


@asynccontextmanager
async def _on_threads(harness: Harness, size: int) -> AsyncIterator[Crew]:
    threads = _Threads(harness, size)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_EAGER_SWITCH_S)
    try:
        threads.begin()
        yield Crew(size, threads.round)
    finally:
        sys.setswitchinterval(interval)
        threads.end()


@asynccontextmanager
async def _on_tasks(harness: Harness, size: int) -> AsyncIterator[Crew]:
    barrier = asyncio.Barrier(size)
    inboxes: list[asyncio.Queue[Racer[Any] | None]] = [asyncio.Queue() for _ in range(size)]
    ended: asyncio.Queue[tuple[int, _Ended]] = asyncio.Queue()

    async def live(number: int) -> None:
        async with opened(harness) as store:
            while (racer := await inboxes[number].get()) is not None:
                await barrier.wait()
                await ended.put((number, await _end_of(racer, store, number)))

    async def round_of(racer: Racer[Any]) -> list[_Ended]:
        for inbox in inboxes:
            await inbox.put(racer)
        async with asyncio.timeout(_STUCK_S):
            results = dict([await ended.get() for _ in range(size)])
        return [results[number] for number in range(size)]

    async with asyncio.TaskGroup() as tasks:
        for number in range(size):
            tasks.create_task(live(number))
        try:
            yield Crew(size, round_of)
        finally:
            for inbox in inboxes:
                await inbox.put(None)


async def _end_of(racer: Racer[Any], store: StateStore, number: int) -> _Ended:
    try:
        return _Ended(value=await racer(store, number))
    except Exception as error:
        return _Ended(error=error)
