"""Handles: opened for a block, with one connection kept, in either colour."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from durable_conformance.harness import Harness
from durable_core.store import StateStore

__all__ = ["opened", "settled"]

T = TypeVar("T")


async def settled(value: T | Awaitable[T]) -> T:
    """*value*, awaited if it must be: what a harness of either colour returns."""
    if inspect.isawaitable(value):
        awaited: T = await value
        return awaited
    return value


@asynccontextmanager
async def opened(harness: Harness) -> AsyncIterator[StateStore]:
    """A handle of its own, connected until the block ends."""
    store = await settled(harness.open())
    if store.blocking != harness.blocking:
        raise AssertionError(f"{harness.name}: the harness says blocking={harness.blocking}, its store the contrary")
    async with store.connected():
        yield store
