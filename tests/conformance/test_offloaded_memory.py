"""Behind `offload` the in-memory store keeps the contract as well, really awaiting."""

from __future__ import annotations

from durable_conformance import Harness, StoreContract
from durable_core.memory import InMemoryStateStore
from durable_core.offload import OffloadedStore, offload


class OffloadedMemoryHarness(Harness):
    name = "memory-offloaded"
    backend = "memory"
    blocking = False
    isolated = False  # one process, one lock: a transaction holds all others up

    def __init__(self) -> None:
        self._store = InMemoryStateStore()
        self._opened: list[OffloadedStore] = []

    def open(self) -> OffloadedStore:
        self._opened.append(offload(self._store, threads=2))
        return self._opened[-1]

    def reset(self) -> None:
        self._store = InMemoryStateStore()
        self.close()

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


class TestOffloadedMemory(StoreContract):
    harness = OffloadedMemoryHarness()
