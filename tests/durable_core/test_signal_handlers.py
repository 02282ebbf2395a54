"""Bells that a signal handler rings in the middle of anything, its own thread's waiting included."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from durable_core.asyncio_runtime import AsyncioRuntime
from durable_core.blocking_runtime import BlockingRuntime
from durable_core.drive import run_blocking


@contextmanager
def alarms(ring: Callable[[], None]) -> Iterator[list[int]]:
    """Ring at every alarm while the block runs; alarms come as fast as they can be had."""
    rung: list[int] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        rung.append(number)
        ring()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        yield rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_handler_rings_the_bell_that_its_thread_waits_for() -> None:
    bell = BlockingRuntime().bell()
    ends = time.monotonic() + 2
    waits = 0
    with alarms(bell.ring) as rung:
        while time.monotonic() < ends:
            run_blocking(bell.wait(60_000))
            waits += 1
    assert waits > 100
    assert len(rung) >= waits


def test_a_handler_rings_the_bell_of_its_loop() -> None:
    async def main() -> int:
        bell = AsyncioRuntime().bell()
        ends = time.monotonic() + 2
        waits = 0
        with alarms(bell.ring):
            while time.monotonic() < ends:
                await bell.wait(60_000)
                waits += 1
        return waits

    assert asyncio.run(main()) > 100
