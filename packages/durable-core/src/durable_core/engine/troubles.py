"""What a worker cannot do just now: told once when it begins and once when it is over, not at every poll."""

from __future__ import annotations

import logging

from durable_core.errors import StoreError, StoreUnavailable

__all__ = ["Troubles"]

_log = logging.getLogger("durable.worker")


class Troubles:
    """The phases of a worker's round that fail, each with the kind of its error."""

    def __init__(self) -> None:
        self._failing: dict[str, type[Exception]] = {}

    def begin(self, phase: str, error: Exception) -> None:
        """*phase* has failed; an outage is one trouble, however many phases it fails."""
        before = self._failing.get(phase)
        away = any(issubclass(kind, StoreUnavailable) for kind in self._failing.values())
        self._failing[phase] = type(error)
        if isinstance(error, StoreUnavailable):
            if not away:
                _log.warning("durable worker: %s; it goes on by itself when the database is back", _line(error))
        elif before is not type(error):
            told = "durable worker: the %s phase failed, and is tried again in every round until it succeeds: %s"
            _log.error(told, phase, _line(error), exc_info=None if isinstance(error, StoreError) else error)

    def end(self, phase: str) -> None:
        """*phase* has succeeded, and so has the connection that it went over."""
        failing = bool(self._failing)
        self._failing.pop(phase, None)
        self._failing.pop("connection", None)
        if failing and not self._failing:
            _log.warning("durable worker: all is well again")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
