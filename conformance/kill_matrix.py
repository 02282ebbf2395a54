"""Which clause kills which known-bad store, printed into docs/conformance.md: ``python conformance/kill_matrix.py``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from durable_conformance import Clause, Harness, registered_clauses
from durable_conformance.cell import Cell
from durable_core.memory import InMemoryStateStore
from mutants import Mutant, registered_mutants

__all__ = ["PAGE", "MutantHarness", "deaths", "is_race", "judges", "page"]

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
_FIRST_RACE: Final = 20
_WIDTH: Final = 120

_HEAD: Final = """# A suite that is itself proven

A clause that no broken store fails proves nothing. So we keep stores that are each broken in one way, as real stores
have been, in `conformance/mutants/`, and let the suite judge every one of them. The table below is what it found;
`conformance/kill_matrix.py` writes it, and a test fails when the table and a run disagree.

The healthy store, `InMemoryStateStore`, is killed by nothing. What every clause promises stands in
`conformance/src/durable_conformance/catalogue.yaml`, and where the cases of the store contract are in
[conformance-cases.md](conformance-cases.md).

## Which clause kills which store

The clauses under *dies by* promise what the store breaks, races (from number 20 on) included. Those under *and by*
need what it breaks.

| store | its fault | dies by | and by |
|---|---|---|---|
"""
_FOOT: Final = """
## Clauses that have killed nobody yet

Nothing here shows yet that they notice anything; a mutant for any of them is welcome. Races are not listed, nor are
the clauses that need a database.

"""


class MutantHarness(Harness):
    """One in-memory store, broken on purpose or not."""

    isolated = False

    def __init__(self, store: type[InMemoryStateStore]) -> None:
        self.name = store.__name__
        self._make = store
        self._store = store()

    def open(self) -> InMemoryStateStore:
        """The one store: an in-memory one is shared."""
        return self._store

    def reset(self) -> None:
        """A new one is empty."""
        self._store = self._make()

    def close(self) -> None:
        """Nothing was taken."""


def is_race(clause_id: str) -> bool:
    """Whether a clause may miss what it looks for now and then."""
    return int(clause_id.rpartition("-")[2]) >= _FIRST_RACE


def judges() -> list[Clause]:
    """The clauses that say the same of an in-memory store each time."""
    healthy = MutantHarness(InMemoryStateStore)
    return [one for one in registered_clauses() if not is_race(one.id) and not one.why_not_applicable(healthy)]


def deaths(store: type[InMemoryStateStore]) -> list[str]:
    """The clauses that kill *store*, races left out."""
    cell = Cell(MutantHarness(store))
    return [clause.id for clause in judges() if _kills(clause, cell)]


def page(killed: Mapping[Mutant, list[str]]) -> str:
    """The text of the page, given what kills each mutant."""
    rows = "".join(_row(mutant, found) for mutant, found in killed.items())
    killers = {one for found in killed.values() for one in found}
    idle = [clause.id for clause in judges() if clause.id not in killers]
    return f"{_HEAD}{rows}{_FOOT}{textwrap.fill(' '.join(idle), _WIDTH, break_on_hyphens=False)}\n"


def _row(mutant: Mutant, found: list[str]) -> str:
    others = (one for one in found if one not in mutant.killers)
    return f"| {mutant.name} | {mutant.fault} | {' '.join(mutant.killers)} | {' '.join(others)} |\n"


def _kills(clause: Clause, cell: Cell) -> bool:
    try:
        cell.run(clause)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - a broken store may raise anything
        return True
    return False


if __name__ == "__main__":
    PAGE.write_text(page({mutant: deaths(mutant.store) for mutant in registered_mutants()}), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
