"""What a store's author writes: how to open the store, empty it and close it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

from durable_core.store import StateStore

__all__ = ["Elsewhere", "Harness", "SqlProbe", "StoreAbsent"]

_NO_GAPS: Mapping[str, str] = MappingProxyType({})


class StoreAbsent(Exception):
    """Raised by a harness whose database is not there: the cell is left out and listed, or fails where required."""


class SqlProbe(Protocol):
    """The database behind the store's back, for clauses about what lies in the tables."""

    @property
    def dialect(self) -> Literal["sqlite", "postgres", "mysql"]:
        """Which catalogue to read; ``mysql`` is MariaDB as well."""

    def execute(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run *sql* as it stands, committed at once, on a connection that is not the store's; return its rows."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How another process opens the same database: it imports *open* by its name and calls it with *argument*."""

    open: Callable[[str], StateStore | Awaitable[StateStore]]
    argument: str


@runtime_checkable
class Harness(Protocol):
    """One cell: a store on a database. Subclass it, so that what you leave out has its default.

    `open` and `reset` may be coroutines for a store that is not blocking; they run on the event loop of the clause.
    """

    #: How the cell is called in reports, for instance ``"peewee-postgres"``.
    name: str

    #: The database that the cell needs; ``--durable-require`` takes this as well as *name*.
    backend: str | None = None

    #: What `StateStore.blocking` is.
    blocking: bool = True

    #: Clauses that the store does not keep, by id, each with the reason; they are reported as NOT IMPLEMENTED.
    gaps: Mapping[str, str] = _NO_GAPS

    #: None where there are no tables to look into: clauses that need them are then reported as not applicable.
    sql: SqlProbe | None = None

    #: Whether another handle goes on reading, and sees nothing of it, while this one has a transaction open.
    isolated: bool = True

    def open(self) -> StateStore | Awaitable[StateStore]:
        """A new handle on the one database, independent of the others as another process would be.

        Called many times, on several threads, before and after `close`. The suite itself calls `ensure_schema`.
        """

    def reset(self) -> None | Awaitable[None]:
        """Empty the tables, if they are there; called before each clause, so it should take milliseconds."""

    def close(self) -> None:
        """Give back what `open` took. The database may be dropped; a later `open` starts anew."""

    def open_connections(self) -> int | None:
        """How many connections the database has open, to find leaks; None if that cannot be told."""
        return None

    def elsewhere(self) -> Elsewhere | None:
        """How another process opens the database, for clauses that start and kill some; None if none can."""
        return None
