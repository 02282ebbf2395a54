"""Which store is broken on purpose, how, and by which clauses it has to be found out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from durable_core.memory import InMemoryStateStore

__all__ = ["Mutant", "breathe", "killed_by", "registered_mutants"]

_registered: Final[list[Mutant]] = []


@dataclass(frozen=True, slots=True)
class Mutant:
    """A store with one fault, a mistake that real stores have made, and the clauses whose promise it breaks."""

    store: type[InMemoryStateStore]
    fault: str
    killers: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the kill matrix calls it."""
        return self.store.__name__


def killed_by(*clauses: str) -> Callable[[type[InMemoryStateStore]], type[InMemoryStateStore]]:
    """Enter the decorated store, whose docstring is its fault, as a mutant that each of *clauses* must kill."""

    def enter(store: type[InMemoryStateStore]) -> type[InMemoryStateStore]:
        _registered.append(Mutant(store, inspect.getdoc(store) or "", clauses))
        return store

    return enter


def registered_mutants() -> tuple[Mutant, ...]:
    """Every mutant, in the order of the files."""
    return tuple(_registered)


def breathe() -> None:
    """Where a careless store goes to its database a second time, others get in between."""
    time.sleep(0)
