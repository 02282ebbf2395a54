"""The in-memory store keeps the contract."""

from __future__ import annotations

from durable_conformance import Harness, StoreContract
from durable_core.memory import InMemoryStateStore


class MemoryHarness(Harness):
    name = "memory"
    backend = "memory"
    isolated = False  # one process, one lock: a transaction holds all others up

    def __init__(self) -> None:
        self._store = InMemoryStateStore()

    def open(self) -> InMemoryStateStore:
        return self._store

    def reset(self) -> None:
        self._store = InMemoryStateStore()

    def close(self) -> None:
        self._store = InMemoryStateStore()


class TestMemory(StoreContract):
    harness = MemoryHarness()
