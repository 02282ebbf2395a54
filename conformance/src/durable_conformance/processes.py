"""Other processes, each with a handle of its own on the one database; they do as they are told, and can be killed.

They are forked from a server that has imported the suite but opened nothing, so one more costs milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any, Final, Protocol

from durable_conformance.harness import Elsewhere, Harness
from durable_conformance.opening import settled
from durable_core.drive import run_blocking
from durable_core.store import StateStore

__all__ = ["OtherProcess", "Task", "die", "started", "tell", "together"]

_STUCK_S: Final = 60.0


class Task(Protocol):
    """What another process does: a function of a module, so that it can be named there."""

    async def __call__(self, store: StateStore, number: int, /, *arguments: Any) -> Any:
        """Use *store*; *number* counts the processes from 0. The result goes back, so it must be plain."""


class OtherProcess:
    """One process that is ready for tasks."""

    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._is_frozen = False

    def begin(self, task: Task, *arguments: Any) -> None:
        """Have it do *task* without waiting for the end; a frozen process does it once it is thawed."""
        self._connection.send((task, arguments))

    def result(self) -> Any:
        """What the task has returned. Raises `AssertionError` with its traceback, or when the process has died."""
        if not self._connection.poll(_STUCK_S):
            raise AssertionError(f"another process is stuck for {_STUCK_S:.0f} s: a deadlock, or a lock wait")
        try:
            value, error = self._connection.recv()
        except EOFError:
            raise AssertionError("another process has died, and not of this clause") from None
        if error is not None:
            raise AssertionError(f"in another process:\n{error}")
        return value

    def run(self, task: Task, *arguments: Any) -> Any:
        """Have it do *task*, and wait for what it returns."""
        self.begin(task, *arguments)
        return self.result()

    def survives(self) -> bool:
        """Whether it comes to the end of its task; a task may kill its own process."""
        if not self._connection.poll(_STUCK_S):
            raise AssertionError(f"another process is stuck for {_STUCK_S:.0f} s: a deadlock, or a lock wait")
        try:
            _, error = self._connection.recv()
        except (EOFError, ConnectionResetError):
            return False
        if error is not None:
            raise AssertionError(f"in another process:\n{error}")
        return True

    def received(self) -> list[Any]:
        """All that it has sent before it died."""
        values = []
        try:
            while self._connection.poll(_STUCK_S):
                values.append(self._connection.recv()[0])
        except (EOFError, ConnectionResetError):
            return values
        raise AssertionError("another process lives on that should be dead")

    def freeze(self) -> None:
        """SIGSTOP: it does nothing more, and knows nothing of it."""
        self._signal(signal.SIGSTOP)
        self._is_frozen = True

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._signal(signal.SIGCONT)
        self._is_frozen = False

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._process.join(_STUCK_S)

    def dismiss(self) -> None:
        """Send it home; kill it if it does not go."""
        if self._is_frozen:
            self.thaw()
        if self._process.is_alive():
            with suppress(BrokenPipeError):
                self._connection.send(None)
            self._process.join(_STUCK_S)
            if self._process.is_alive():
                self.kill()
        self._connection.close()
        self._process.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, number)


@contextmanager
def started(harness: Harness, size: int) -> Iterator[list[OtherProcess]]:
    """*size* processes on the database of *harness*, for the block."""
    elsewhere = harness.elsewhere()
    if elsewhere is None:
        raise AssertionError("a clause that starts processes must say needs=(Need.PROCESSES,)")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__, elsewhere.open.__module__])
    with _path_for_all():
        forkserver.ensure_running()
    barrier = context.Barrier(size)
    others = []
    try:
        for number in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_live, args=(elsewhere, harness.blocking, number, barrier, theirs))
            process.start()
            theirs.close()
            others.append(OtherProcess(process, ours))
        for other in others:
            other.result()
        yield others
    finally:
        for other in others:
            other.dismiss()


@contextmanager
def _path_for_all() -> Iterator[None]:
    """Let a Python that is started in the block find the same modules: the fork server is not told our path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def together(others: Sequence[OtherProcess], task: Task, *arguments: Any) -> list[Any]:
    """Have all of them do *task* at the same moment; what each has returned."""
    for other in others:
        other.begin(_at_once, task, *arguments)
    return [other.result() for other in others]


def die() -> None:
    """Kill the process that calls this, at once and without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def tell(value: Any) -> None:
    """Within a task: let the clause know, whatever becomes of this process."""
    connection: Connection = _here["connection"]
    connection.send((value, None))


_here: dict[str, Any] = {}


async def _at_once(store: StateStore, number: int, /, task: Task, *arguments: Any) -> Any:
    barrier: Barrier = _here["barrier"]
    barrier.wait(_STUCK_S)
    return await task(store, number, *arguments)


def _live(elsewhere: Elsewhere, blocking: bool, number: int, barrier: Barrier, connection: Connection) -> None:  # noqa: FBT001
    _here.update(barrier=barrier, connection=connection)
    serving = _serve(elsewhere, number, connection)
    if blocking:
        run_blocking(serving)
    else:
        asyncio.run(serving)


async def _serve(elsewhere: Elsewhere, number: int, connection: Connection) -> None:
    store = await settled(elsewhere.open(elsewhere.argument))
    async with store.connected():
        connection.send((None, None))
        while (told := connection.recv()) is not None:
            task, arguments = told
            try:
                answer, error = await task(store, number, *arguments), None
            except Exception:
                answer, error = None, traceback.format_exc()
            connection.send((answer, error))
