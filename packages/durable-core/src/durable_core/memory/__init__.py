"""A state store in this process's memory, for tests and local development: nothing in it outlives the process."""

from __future__ import annotations

from durable_core.memory.store import InMemoryStateStore

__all__ = ["InMemoryStateStore"]
