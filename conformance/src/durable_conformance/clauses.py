"""A clause: one promise of the catalogue as a test, written once for blocking and async stores."""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from durable_conformance.catalogue import Entry, Level, catalogue, installed_version, is_preview
from durable_conformance.harness import Harness

if TYPE_CHECKING:
    from durable_conformance.cell import Cell

__all__ = ["Clause", "Need", "clause", "registered_clauses"]

# Here because the package imports this module before any clause, so that asserts in clauses explain themselves.
pytest.register_assert_rewrite("durable_conformance.contract")

_Body = Callable[[Any], Coroutine[Any, Any, None]]

_registered: Final[dict[str, Clause]] = {}


class Need(enum.Enum):
    """What a clause needs beyond the store itself; the text is said where a harness does not have it."""

    SQL = "it looks into the tables, and the harness has no `sql` probe"
    ISOLATION = "it watches an open transaction from outside, and the harness says `isolated = False`"
    ROW_LOCKS = "it holds a row locked, and the database locks the whole file"
    EVENT_LOOP = "it cancels a task, and the store is blocking"
    POSTGRES = "it is about PostgreSQL"
    PROCESSES = "it starts and kills processes, and the harness does not say how they open the store `elsewhere`"
    MYSQL = "it is about MySQL and MariaDB"

    def is_met_by(self, harness: Harness) -> bool:
        """Whether *harness* offers it."""
        dialect = harness.sql.dialect if harness.sql is not None else None
        return {
            Need.SQL: dialect is not None,
            Need.ISOLATION: harness.isolated,
            Need.ROW_LOCKS: dialect in ("postgres", "mysql"),
            Need.EVENT_LOOP: not harness.blocking,
            Need.POSTGRES: dialect == "postgres",
            Need.PROCESSES: hasattr(signal, "SIGSTOP") and harness.elsewhere() is not None,
            Need.MYSQL: dialect == "mysql",
        }[self]


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise and its test. *spoils_schema* asks the suite to rebuild the tables afterwards."""

    entry: Entry
    test: str
    body: _Body = field(repr=False)
    needs: tuple[Need, ...] = ()
    spoils_schema: bool = False

    @property
    def id(self) -> str:
        """What reports and gap lists call it."""
        return self.entry.id

    @property
    def promise(self) -> str:
        """What a store keeps that passes."""
        return self.entry.promise

    @property
    def level(self) -> Level:
        """The lowest profile that asks for it."""
        return self.entry.level

    @property
    def is_preview(self) -> bool:
        """Whether it is too new to fail anybody."""
        return is_preview(self.entry.since, installed_version())

    def why_not_applicable(self, harness: Harness) -> str | None:
        """What the clause needs and *harness* does not have; None if it can run."""
        return next((need.value for need in self.needs if not need.is_met_by(harness)), None)


def clause(
    id: str, *, needs: tuple[Need, ...] = (), spoils_schema: bool = False
) -> Callable[[_Body], Callable[..., None]]:
    """Make an ``async def`` method of a `ClauseGroup` the test of the catalogue's *id*, in the store's colour."""

    def make(body: _Body) -> Callable[..., None]:
        entry = catalogue().get(id)
        if entry is None or id in _registered:
            raise ValueError(f"{body.__qualname__}: {id!r} has a test already, or is not in catalogue.yaml")
        made = Clause(entry, body.__name__, body, needs, spoils_schema)
        if any(one.test == made.test for one in _registered.values()):
            raise ValueError(f"{body.__qualname__}: a clause of that name would hide the other one in StoreContract")
        _registered[id] = made

        def run(_self: object, durable_cell: Cell, durable_clause: Clause, request: pytest.FixtureRequest) -> None:
            durable_cell.judge(durable_clause, request)

        run.__name__, run.__qualname__, run.__module__ = body.__name__, body.__qualname__, body.__module__
        run.__doc__ = f"{id}: {made.promise}"
        run.clause = made  # type: ignore[attr-defined]
        return pytest.mark.parametrize("durable_clause", [pytest.param(made, id=id)])(run)

    return make


def registered_clauses() -> tuple[Clause, ...]:
    """Every clause there is, by id."""
    return tuple(_registered[one] for one in sorted(_registered))
