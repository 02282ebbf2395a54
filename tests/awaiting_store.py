"""A store that really awaits, in memory: every call suspends, and transactions of several tasks wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Final, Literal

from durable_core import InMemoryStateStore

__all__ = ["AwaitingStore"]

_JOINED: Final[ContextVar[bool]] = ContextVar("_JOINED", default=False)


class AwaitingStore:
    """The reference store behind awaits, as a database's driver would have them."""

    blocking: Literal[False] = False

    def __init__(self) -> None:
        self.inner = InMemoryStateStore()
        #: Called with the name of each method before it is run; may raise, or wait.
        self.before: Callable[[str], Awaitable[None]] | None = None
        self._alone = asyncio.Lock()

    def connected(self) -> AbstractAsyncContextManager[None]:
        return self.inner.connected()

    def on_commit(self, callback: Callable[[], None]) -> None:
        self.inner.on_commit(callback)

    async def transaction(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        async with self._statement("transaction"):
            joined = _JOINED.set(True)
            try:
                with self.inner.atomic():
                    result = await work(SimpleNamespace(raw=None, save_checkpoint=self.save_checkpoint))
                    await asyncio.sleep(0)
                    return result
            finally:
                _JOINED.reset(joined)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            async with self._statement(name):
                return await method(*args, **kwargs)

        return call

    @asynccontextmanager
    async def _statement(self, name: str) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before(name)
        if _JOINED.get():
            yield
        else:
            async with self._alone:
                yield
        await asyncio.sleep(0)
