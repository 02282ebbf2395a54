"""The contract, in groups of clauses; `StoreContract` is all of them."""

from __future__ import annotations

from durable_conformance.contract.whole import StoreContract

__all__ = ["StoreContract"]
