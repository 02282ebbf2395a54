"""Where in the user's code something was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["calling_place", "defining_place", "place_events", "recorded_place"]

_OURS: Final = "durable_core"
_LABEL: Final = "called at"


def calling_place() -> str:
    """The nearest frame outside this library, as ``module:line``; no machine's paths, so that histories compare."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack() would read source files at every call
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"


def defining_place(function: Callable[..., Any]) -> str:
    """Where *function* is defined, as ``module:line``."""
    code = getattr(function, "__code__", None)
    line = code.co_firstlineno if code is not None else "?"
    return f"{getattr(function, '__module__', '?')}:{line}"


def place_events(place: str, at_ms: int) -> list[dict[str, Any]]:
    """The step event that remembers *place* with a checkpoint, in the shape of every other log record of a step."""
    return [{"at": at_ms, "level": "debug", "message": f"{_LABEL} {place}"}]


def recorded_place(events: list[dict[str, Any]] | None) -> str | None:
    """The place that `place_events` remembered, if it did."""
    for event in events or ():
        message = event.get("message")
        if isinstance(message, str) and message.startswith(_LABEL):
            return message.removeprefix(_LABEL).strip()
    return None
