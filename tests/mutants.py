"""Stores that each break one promise, the harness to try them with, and the clauses that must find them out."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from durable_conformance import Harness, run_clause
from durable_core.memory import InMemoryStateStore

__all__ = ["MutantHarness", "Mutants", "breathe"]


class Mutants:
    """The mutants of one test module, and which clauses kill each."""

    def __init__(self) -> None:
        self._killers: dict[type[InMemoryStateStore], tuple[str, ...]] = {}

    def killed_by(self, *clauses: str) -> Callable[[type[InMemoryStateStore]], type[InMemoryStateStore]]:
        """Enter the decorated store as a mutant that each of *clauses* must kill."""

        def enter(mutant: type[InMemoryStateStore]) -> type[InMemoryStateStore]:
            self._killers[mutant] = clauses
            return mutant

        return enter

    def each(self) -> list[object]:
        """Every pair of mutant and clause, as pytest parameters."""
        return [
            pytest.param(mutant, one, id=f"{mutant.__name__}-{one}")
            for mutant, ones in self._killers.items()
            for one in ones
        ]

    def expect_death(self, mutant: type[InMemoryStateStore], clause: str) -> None:
        """Fail unless *clause* passes on the healthy store and fails on *mutant*."""
        run_clause(MutantHarness(InMemoryStateStore), clause)
        # A clause sees the harm as a wrong answer or, with pytest.raises, as an error that did not come.
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            run_clause(MutantHarness(mutant), clause)


class MutantHarness(Harness):
    """One in-memory store, broken on purpose."""

    isolated = False

    def __init__(self, mutant: type[InMemoryStateStore]) -> None:
        self.name = mutant.__name__
        self._mutant = mutant
        self._store = mutant()

    def open(self) -> InMemoryStateStore:
        return self._store

    def reset(self) -> None:
        self._store = self._mutant()

    def close(self) -> None:
        self._store = self._mutant()


def breathe() -> None:
    """Where a careless store goes to its database a second time, others get in between."""
    time.sleep(0)
