"""A clause: one promise of the contract, with a stable id, written once for blocking and async stores."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from durable_conformance.harness import Harness

if TYPE_CHECKING:
    from durable_conformance.cell import Cell

__all__ = ["Clause", "Need", "clause", "registered_clauses"]

# Here because the package imports this module before any clause, so that asserts in clauses explain themselves.
pytest.register_assert_rewrite("durable_conformance.contract")

_Body = Callable[[Any], Coroutine[Any, Any, None]]

_ID: Final = re.compile(r"[A-Z]+-\d\d")
_registered: Final[dict[str, Clause]] = {}


class Need(enum.Enum):
    """What a clause needs beyond the store itself; the text is said where a harness does not have it."""

    SQL = "it looks into the tables, and the harness has no `sql` probe"
    ISOLATION = "it watches an open transaction from outside, and the harness says `isolated = False`"
    ROW_LOCKS = "it holds a row locked, and the database locks the whole file"
    EVENT_LOOP = "it cancels a task, and the store is blocking"
    POSTGRES = "it is about PostgreSQL"
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
            Need.MYSQL: dialect == "mysql",
        }[self]


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise. *spoils_schema* asks the suite to rebuild the tables afterwards."""

    id: str
    promise: str
    test: str
    body: _Body = field(repr=False)
    needs: tuple[Need, ...] = ()
    spoils_schema: bool = False

    def why_not_applicable(self, harness: Harness) -> str | None:
        """What the clause needs and *harness* does not have; None if it can run."""
        return next((need.value for need in self.needs if not need.is_met_by(harness)), None)


def clause(
    id: str, promise: str, *, needs: tuple[Need, ...] = (), spoils_schema: bool = False
) -> Callable[[_Body], Callable[..., None]]:
    """Make an ``async def`` method of a `ClauseGroup` the clause *id*: a pytest test in the store's colour.

    An id is given once and never again, even when its clause goes: reports and gap lists quote it.
    """

    def make(body: _Body) -> Callable[..., None]:
        made = Clause(id, promise, body.__name__, body, needs, spoils_schema)
        if not _ID.fullmatch(id) or id in _registered:
            raise ValueError(f"{body.__qualname__}: {id!r} is taken, or is not of the form LEASE-04")
        if any(one.test == made.test for one in _registered.values()):
            raise ValueError(f"{body.__qualname__}: a clause of that name would hide the other one in StoreContract")
        _registered[id] = made

        def run(_self: object, durable_cell: Cell, durable_clause: Clause, request: pytest.FixtureRequest) -> None:
            durable_cell.judge(durable_clause, request)

        run.__name__, run.__qualname__, run.__module__ = body.__name__, body.__qualname__, body.__module__
        run.__doc__ = f"{id}: {promise}"
        run.clause = made  # type: ignore[attr-defined]
        return pytest.mark.parametrize("durable_clause", [pytest.param(made, id=id)])(run)

    return make


def registered_clauses() -> tuple[Clause, ...]:
    """Every clause there is, by id."""
    return tuple(_registered[one] for one in sorted(_registered))
