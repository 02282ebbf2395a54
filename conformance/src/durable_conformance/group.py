"""What every clause has at hand: the store, further handles, racers and the database behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from durable_conformance.clauses import Clause
from durable_conformance.crew import Crew, expect_connections, racing
from durable_conformance.harness import Harness, SqlProbe
from durable_conformance.opening import opened
from durable_conformance.processes import OtherProcess, started
from durable_core.store import StateStore

__all__ = ["ClauseGroup", "group_of"]

_groups: Final[dict[str, type[ClauseGroup]]] = {}


def group_of(clause: Clause) -> ClauseGroup:
    """A fresh instance of the group that *clause* was written in, with that group's own small words."""
    return _groups[clause.id]()


class ClauseGroup:
    """The base of every group of clauses."""

    store: StateStore
    _cell_harness: Harness
    _handles: AsyncExitStack

    def __init_subclass__(cls) -> None:
        for member in vars(cls).values():
            made = getattr(member, "clause", None)
            if isinstance(made, Clause):
                _groups[made.id] = cls

    def begin(self, harness: Harness, store: StateStore, handles: AsyncExitStack) -> None:
        """Take the handle for the clause that comes; *handles* closes it and all further ones."""
        self._cell_harness = harness
        self.store = store
        self._handles = handles

    async def open(self) -> StateStore:
        """Another handle on the same database, as another process would have; closed when the clause ends."""
        return await self._handles.enter_async_context(opened(self._cell_harness))

    @asynccontextmanager
    async def racers(self, size: int) -> AsyncIterator[Crew]:
        """*size* handles that can do something at the same moment: ``async with self.racers(4) as crew``."""
        await self.connect()
        async with racing(self._cell_harness, size) as crew:
            yield crew

    @asynccontextmanager
    async def processes(self, size: int) -> AsyncIterator[list[OtherProcess]]:
        """*size* processes with a handle each; afterwards none is left, nor a connection of theirs."""
        await self.connect()
        before = self._cell_harness.open_connections()
        with started(self._cell_harness, size) as others:
            yield others
        if before is not None:
            self.expect_connections(before)

    async def connect(self) -> None:
        """Make sure that the first handle has its connection, before connections are counted."""
        await self.store.get_run("nobody")

    def expect_connections(self, before: int) -> None:
        """Raise unless the database has no more open connections than *before*."""
        expect_connections(self._cell_harness, before)

    @property
    def sql(self) -> SqlProbe:
        """The database behind the store's back; for clauses that need `Need.SQL`."""
        probe = self._cell_harness.sql
        if probe is None:
            raise AssertionError("a clause that looks into the tables must say needs=(Need.SQL,)")
        return probe
