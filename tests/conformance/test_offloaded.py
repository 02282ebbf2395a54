"""The contract in its other colour: every clause awaited on an event loop, through `offload`."""

from __future__ import annotations

from durable_conformance import Harness, StoreContract
from durable_core.memory import InMemoryStateStore
from durable_core.offload import OffloadedStore, offload


class OffloadedHarness(Harness):
    name = "memory-offloaded"
    backend = "memory"
    blocking = False
    isolated = False
    gaps = {  # noqa: RUF012 - a harness is data
        "TX-09": "the work of an offloaded transaction runs on a thread and cannot wait on the event loop"
    }

    def __init__(self) -> None:
        self._inner = InMemoryStateStore()
        self._handles: list[OffloadedStore] = []

    async def open(self) -> OffloadedStore:
        self._handles.append(offload(self._inner, threads=2))
        return self._handles[-1]

    async def reset(self) -> None:
        self.close()
        self._inner = InMemoryStateStore()

    def close(self) -> None:
        while self._handles:
            self._handles.pop().close()


class TestOffloadedMemory(StoreContract):
    harness = OffloadedHarness()
