"""All that an adapter must write: run a statement on the host's connection, inside the host's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from durable_core.errors import StoreError
from durable_sql.dialect import Dialect

__all__ = ["DuplicateKey", "Row", "Session", "Statement"]

Row = Mapping[str, Any]


class DuplicateKey(StoreError):
    """A unique key holds that value already; the statement did nothing, and what went before it stands."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with the driver's placeholders, and its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


class Session(Protocol):
    """The host's database, reached through the host's ORM.

    Connections are the host's: opened only when none is open, closed only by whoever opened them. Errors of the
    driver are translated here and nowhere else: `StoreContention` when the database rolled back because of others
    (deadlock, serialization failure, lock timeout, busy file), `StoreUnavailable` when it cannot be reached or the
    connection broke, `SchemaMissing` when a table or column is absent, `DuplicateKey`, and `StoreError` for the rest;
    the driver's own error is the ``__cause__``.
    """

    @property
    def blocking(self) -> bool:
        """Whether awaits of this session never suspend."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect. Known once the host has configured its database; may raise `ConfigurationError`."""

    @property
    def raw(self) -> Any:
        """The native handle that `StoreTransaction.raw` hands to the user."""

    @property
    def schema_help(self) -> str:
        """What the host does to bring its tables up to date, as `SchemaMissing` tells it: "run ..." or "call ..."."""

    def in_transaction(self) -> bool:
        """Whether a transaction is open here, the host's or ours."""

    def transaction(self, *, read_committed: bool = False) -> AbstractAsyncContextManager[None]:
        """One transaction around the block; a savepoint if one is open already.

        It is one for writing: on SQLite it takes the write lock at once (BEGIN IMMEDIATE). *read_committed* asks for
        that isolation level for this transaction alone; it is ignored for a savepoint, and where the dialect has no
        use for it.
        """

    async def execute(self, statement: Statement) -> int:
        """Run *statement*; return the affected rows as the driver counts them (see `Dialect.counts_changed_rows`)."""

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run *statement*; return its rows by column name, with the values as the driver gives them."""

    def connected(self) -> AbstractAsyncContextManager[None]:
        """`StateStore.connected`."""

    def on_commit(self, callback: Callable[[], None]) -> None:
        """`StateStore.on_commit`."""

    async def back_off(self, attempt: int) -> None:
        """Wait before trying again after contention: a few milliseconds times *attempt* (1, 2, ...), with jitter."""
