"""The behavioural suite that every state store has to pass."""

from __future__ import annotations

from durable_conformance.cell import run_clause
from durable_conformance.clauses import Clause, registered_clauses
from durable_conformance.contract import StoreContract
from durable_conformance.harness import Elsewhere, Harness, SqlProbe, StoreAbsent

__all__ = [
    "Clause",
    "Elsewhere",
    "Harness",
    "SqlProbe",
    "StoreAbsent",
    "StoreContract",
    "registered_clauses",
    "run_clause",
]
