"""Tasks that go on one after the other, each when all is quiet after the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["OneByOne"]

#: Rounds of the loop that a result may need to reach its awaiter, through tasks, groups and gathers, and to call again.
_QUIET_ROUNDS: Final = 24
#: How often all may be quiet before one goes on that is not due: history does not fit the code then, and will say so.
_PATIENCE: Final = 20


@dataclass(slots=True, eq=False)
class _Waiting:
    rank: tuple[float, int]
    is_due: Callable[[], bool]
    go_on: asyncio.Future[None]


class OneByOne:
    """A gate for the tasks of one loop."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._rounds = 0
        self._looked = 0
        self._watching = False

    async def wait(self, rank: tuple[float, int], is_due: Callable[[], bool]) -> None:
        """Return when it is the caller's turn: the lowest *rank* of those that wait, and *is_due* says so."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rank, is_due, loop.create_future())
        self._waiting.append(waiting)
        if not self._watching:
            self._watching = True
            self._rounds = self._looked = 0
            loop.call_soon(self._round)
        try:
            await waiting.go_on
        finally:
            self._waiting.remove(waiting)

    def _round(self) -> None:
        self._watching = bool(self._waiting)
        if not self._watching:
            return
        asyncio.get_running_loop().call_soon(self._round)
        self._rounds += 1
        still = [one for one in self._waiting if not one.go_on.done()]
        if self._rounds < _QUIET_ROUNDS or not still:
            return
        self._rounds = 0
        self._looked += 1
        first = min(still, key=lambda one: one.rank)
        if first.is_due() or self._looked > _PATIENCE:
            self._looked = 0
            first.go_on.set_result(None)
