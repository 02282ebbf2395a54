"""A connection kept over several calls, where one can be had."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

__all__ = ["kept"]

_log = logging.getLogger("durable")


@asynccontextmanager
async def kept(around: Callable[[], AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    """The block, always: inside *around* if that can be entered, and without it otherwise.

    Keeping a connection is thrift. What the block does connects by itself where none is kept, and knows what it means
    when it cannot.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(around())
        except Exception as error:  # noqa: BLE001 - whatever the host's database raises, the block goes on
            _log.warning("durable: no connection could be kept open for several calls (%s); each opens its own", error)
        yield
