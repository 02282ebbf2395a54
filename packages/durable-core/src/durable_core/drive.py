"""Run the one async source without an event loop.

The idea is edgedb-python's: `async def` is the syntax in which everything is written once, and a coroutine whose
awaits never suspend is finished by a single ``send(None)`` in the caller's own thread, connection and transaction.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from durable_core.errors import SuspendedError

__all__ = ["entered", "run_blocking"]

T = TypeVar("T")


def run_blocking(coro: Coroutine[Any, Any, T]) -> T:
    """Finish *coro* in this thread and return its result.

    Raises `SuspendedError` when it awaits something that really suspends; the coroutine is closed then, so an open
    transaction inside it rolls back.
    """
    try:
        coro.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    suspended = SuspendedError(
        f"{_awaiting(coro)} awaited for real under a blocking door: use AsyncDurable for coroutines and async stores, "
        "or make the function a plain def"
    )
    try:
        coro.close()
    except BaseException as error:
        # Its clean-up awaited as well, or failed: that is a consequence, and must not hide the cause.
        raise suspended from error
    raise suspended


def _awaiting(coro: Coroutine[Any, Any, Any]) -> str:
    name = getattr(coro, "__qualname__", repr(coro))
    innermost: Any = coro
    while (inner := getattr(innermost, "cr_await", None)) is not None and hasattr(inner, "cr_await"):
        innermost = inner
    deepest = getattr(innermost, "__qualname__", name)
    return str(name) if innermost is coro else f"{name} (in {deepest})"


class entered(Generic[T]):  # noqa: N801 - reads as a verb: `async with entered(manager)`
    """A blocking context manager, seen as an async one that never suspends."""

    def __init__(self, manager: AbstractContextManager[T]) -> None:
        self._manager = manager

    async def __aenter__(self) -> T:
        return self._manager.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._manager.__exit__(kind, error, traceback)
