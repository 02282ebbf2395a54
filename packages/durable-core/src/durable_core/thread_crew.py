"""A crew of daemon threads: turns that outlive the grace period must not keep the process alive."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from durable_core.drive import run_blocking
from durable_core.keeping import kept

__all__ = ["ThreadCrew", "Turn"]

_log = logging.getLogger("durable")

Turn: TypeAlias = Callable[[], Awaitable[None]]

#: How long a thread without work keeps its connection.
_IDLE_SECONDS: Final = 1.0


class ThreadCrew:
    """`Crew` of at most *size* threads, started as they are needed.

    A thread enters *around* when it gets work, and leaves it when it has had none for a second. A turn runs also when
    *around* cannot be entered.
    """

    def __init__(self, size: int, around: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._size = size
        self._around = around
        self._queue: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._changed = threading.Condition()

    @property
    def busy(self) -> int:
        """Turns under way."""
        with self._changed:
            return self._busy

    @property
    def free(self) -> int:
        """Room left."""
        return max(0, self._size - self.busy)

    def start(self, turn: Turn) -> None:
        """Give *turn* to a thread."""
        with self._changed:
            self._busy += 1
            if len(self._threads) < min(self._busy, self._size):
                thread = threading.Thread(target=self._serve, name="durable-turn", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(turn)

    async def join(self, timeout_ms: int) -> bool:
        """Wait until no turn is under way."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout_ms / 1000)

    async def close(self) -> None:
        """Let idle threads end; wait for those that have nothing left to do."""
        for _ in self._threads:
            self._queue.put(None)
        if not self.busy:
            for thread in self._threads:
                thread.join(_IDLE_SECONDS)

    def _serve(self) -> None:
        while (turn := self._queue.get()) is not None:
            first = _Once(turn, self._done)
            try:
                if run_blocking(self._connected(first)):
                    return
            except Exception:  # noqa: BLE001 - a thread must outlive whatever its work raises
                _log.exception("durable: a turn failed outside of its workflow; its run comes back with its lease")
            finally:
                first.over()

    async def _connected(self, first: _Once) -> bool:
        """Turns inside *around*, as long as they keep coming; tell whether the crew closes."""
        async with kept(self._around):
            await first.run()
            while True:
                try:
                    turn = self._queue.get(timeout=_IDLE_SECONDS)
                except queue.Empty:
                    return False
                if turn is None:
                    return True
                await _Once(turn, self._done).run()

    def _done(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()


class _Once:
    """A turn that counts as over exactly once, also if the thread fails beneath it."""

    def __init__(self, turn: Turn, done: Callable[[], None]) -> None:
        self._turn = turn
        self._done: Callable[[], None] | None = done

    async def run(self) -> None:
        """Run the turn; its errors end here, a step's ``sys.exit()`` included, which would cost the crew a thread."""
        try:
            await self._turn()
        except GeneratorExit:  # the turn awaited for real and is being closed: there is no going on from here
            raise
        except BaseException:  # noqa: BLE001 - a thread must outlive whatever its work raises
            _log.exception("durable: a turn failed outside of its workflow; its run comes back with its lease")
        finally:
            self.over()

    def over(self) -> None:
        """Count it."""
        if self._done is not None:
            self._done()
            self._done = None
