"""Clauses with real processes find the stores that are right in one process alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends import Backends
from durable_conformance import registered_clauses, run_clause
from durable_peewee import PeeweeStateStore
from process_mutants import MUTANTS, MutantHarness

_PAIRS = [
    pytest.param(mutant, clause, id=f"{mutant.__name__}-{clause}")
    for mutant, clauses in MUTANTS.items()
    for clause in clauses
]


def test_every_clause_of_processes_has_a_store_that_it_kills() -> None:
    of_processes = {
        one.id for one in registered_clauses() if one.id.startswith(("PROC", "BOOT", "KILL", "ZOMBIE", "SKEW"))
    }
    assert {clause for clauses in MUTANTS.values() for clause in clauses} == of_processes


@pytest.mark.parametrize(("mutant", "clause"), _PAIRS)
def test_the_clause_kills_the_mutant(
    mutant: type[PeeweeStateStore], clause: str, backends: Backends, tmp_path: Path
) -> None:
    (tmp_path / "healthy").mkdir()
    run_clause(MutantHarness(None, backends, tmp_path / "healthy"), clause)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        # A race may be won by chance, but not time and again.
        for chance in ("first", "second", "third"):
            (tmp_path / chance).mkdir()
            run_clause(MutantHarness(mutant, backends, tmp_path / chance), clause)
