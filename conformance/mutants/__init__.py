"""Known-bad stores, each with one fault, that the suite has to find out."""

from __future__ import annotations

from mutants import checkpoints, leases, polls, queries, runs, signals, values
from mutants.registry import Mutant, registered_mutants

__all__ = [
    "Mutant",
    "checkpoints",
    "leases",
    "polls",
    "queries",
    "registered_mutants",
    "runs",
    "signals",
    "values",
]
