"""SIGTERM and Ctrl-C ask the program to hand its runs over and end; a second one does not ask."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "stop_on_signals"]


class StopRequest:
    """Whether a signal came, and which."""

    number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the signal, as a shell reports it; 0 if none came."""
        return 0 if self.number is None else 128 + self.number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Take note of the first SIGTERM or SIGINT while the block lasts; let the second have its default effect."""
    request = StopRequest()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def take_note(number: int, _frame: FrameType | None) -> None:
        request.number = number
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, take_note) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
