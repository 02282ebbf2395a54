"""SIGTERM and Ctrl-C ask a worker to drain; a second one does not ask."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from durable_core.worker import WorkerLoop

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(loop: WorkerLoop) -> Iterator[None]:
    """While the block runs, the first SIGTERM or SIGINT stops *loop*; the next has its default effect."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def drain(_number: int, _frame: FrameType | None) -> None:
        loop.stop()
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, drain) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
