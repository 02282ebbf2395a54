"""In which order the results of operations that run side by side come back to the body, this time and every time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from durable_core.records import StepCheckpoint

__all__ = ["Deliveries"]

_LABEL: Final = "results before"
#: After every result that history has.
_LAST: Final = 1 << 32
_ENTRY: Final = re.compile(r"(\d+): ([\d ]+)")


class Deliveries:
    """The order in which results were given to the body, told by what was given between one call and the next.

    It decides what the body does next (``asyncio.as_completed``, branches of several calls in a ``gather``), and so a
    replay must repeat it. A call remembers it with its checkpoint, unless there was no other order to choose.
    """

    def __init__(self, checkpoints: Iterable[StepCheckpoint]) -> None:
        self._kept = {checkpoint.seq: dict(_recorded(checkpoint.events)) for checkpoint in checkpoints}
        known = {call: given for kept in self._kept.values() for call, given in kept.items()}
        self._known = frozenset(known)
        self._places = {seq: (call, place) for call, given in known.items() for place, seq in enumerate(given)}
        self._calls = 0
        self._given: list[int] = []
        self._unsaved: dict[int, list[int]] = {}
        self._arrived = 0

    def called(self, call: int, *, beside: bool) -> None:
        """The body makes its call number *call*, *beside* operations that are under way."""
        self._calls = call + 1
        given, self._given = self._given, []
        if call not in self._known and given and (beside or given != sorted(given)):
            self._unsaved[call] = given

    def given(self, seq: int) -> None:
        """The result of the call *seq* goes to the body."""
        self._given.append(seq)

    def rank(self, seq: int, *, recorded: bool) -> tuple[float, int]:
        """Of the results that wait, the one with the lowest rank is given next."""
        if seq in self._places:
            return self._places[seq]
        self._arrived += 1
        return (float("inf"), seq if recorded else _LAST + self._arrived)

    def is_due(self, seq: int) -> bool:
        """Whether the body has made every call that came before the result of *seq* the first time."""
        return seq not in self._places or self._places[seq][0] <= self._calls

    @property
    def unsaved(self) -> bool:
        """Whether there is something that a checkpoint must remember before the run may be parked."""
        return bool(self._unsaved)

    def events(self, seq: int, at_ms: int) -> list[dict[str, Any]]:
        """What the checkpoint at *seq* remembers, in the shape of every other log record of a step."""
        entries = {**self._kept.get(seq, {}), **self._unsaved}
        if not entries:
            return []
        told = "; ".join(f"{call}: {' '.join(map(str, given))}" for call, given in entries.items())
        return [{"at": at_ms, "level": "debug", "message": f"{_LABEL} {told}"}]

    def saved(self, checkpoint: StepCheckpoint) -> None:
        """*checkpoint* is written, with what it remembers."""
        kept = self._kept[checkpoint.seq] = dict(_recorded(checkpoint.events))
        for call in kept:
            self._unsaved.pop(call, None)


def _recorded(events: list[dict[str, Any]] | None) -> Iterable[tuple[int, list[int]]]:
    for event in events or ():
        message = event.get("message")
        if isinstance(message, str) and message.startswith(_LABEL):
            for call, given in _ENTRY.findall(message):
                yield int(call), [int(seq) for seq in given.split()]
