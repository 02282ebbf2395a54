"""The suite finds every store that is broken on purpose, and the page that says by which clauses is true."""

from __future__ import annotations

import re

import pytest

from durable_conformance import run_clause
from durable_core.memory import InMemoryStateStore
from kill_matrix import PAGE, MutantHarness, deaths, is_race, page
from mutants import Mutant, registered_mutants

_ROW = re.compile(
    r"^\| (?P<name>\w+) \| (?P<fault>.+) \| (?P<by>[-A-Z0-9 ]+) \| (?P<also>[-A-Z0-9 ]*) \|$", re.MULTILINE
)
_TOLD = {row["name"]: row for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}
_MUTANTS = registered_mutants()
_RACES = [
    pytest.param(mutant, clause, id=f"{mutant.name}-{clause}")
    for mutant in _MUTANTS
    for clause in mutant.killers
    if is_race(clause)
]


def test_there_are_stores_of_every_kind() -> None:
    assert len(_MUTANTS) >= 60
    assert len({mutant.name for mutant in _MUTANTS}) == len({mutant.fault for mutant in _MUTANTS}) == len(_MUTANTS)
    assert all(mutant.killers for mutant in _MUTANTS)


def test_the_healthy_store_survives_all() -> None:
    assert deaths(InMemoryStateStore) == []


@pytest.mark.parametrize("mutant", _MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_dies_by_what_the_page_says(mutant: Mutant) -> None:
    found = deaths(mutant.store)
    assert {one for one in mutant.killers if not is_race(one)} <= {*found}, "a clause whose promise is broken passes"
    told = _TOLD[mutant.name]
    assert {one for one in f"{told['by']} {told['also']}".split() if not is_race(one)} == {*found}, _STALE


@pytest.mark.parametrize(("mutant", "clause"), _RACES)
def test_a_race_kills_the_mutant_that_is_made_for_it(mutant: Mutant, clause: str) -> None:
    run_clause(MutantHarness(InMemoryStateStore), clause)
    # A clause sees the harm as a wrong answer or, with pytest.raises, as an error that did not come.
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        # A race may be won by chance, but not time and again.
        for _ in range(3):
            run_clause(MutantHarness(mutant.store), clause)


def test_the_page_is_what_the_script_writes() -> None:
    assert [*_TOLD] == [mutant.name for mutant in _MUTANTS], _STALE
    killed = {mutant: sorted(f"{_TOLD[mutant.name]['by']} {_TOLD[mutant.name]['also']}".split()) for mutant in _MUTANTS}
    assert PAGE.read_text(encoding="utf-8") == page(killed), _STALE


_STALE = "the page is stale: uv run python conformance/kill_matrix.py"
