"""Tortoise's one connection to a SQLite file: opened so that it can fail, and not waited for without end."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Final

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper

from durable_core.errors import StoreContention

__all__ = ["reached"]

_BUSY_TIMEOUT_S: Final = 5


async def reached(client: BaseDBAsyncClient) -> None:
    """Wait for a SQLite *client* that others are using, and open it if it is not; nothing for others.

    All tasks of a process share the connection, and Tortoise lets a task wait for it as long as it takes, also for a
    transaction that waits for that very task. A connection that Tortoise fails to open stays locked for ever. Raises
    `StoreContention` after as long as SQLite itself would wait for another process.
    """
    if not isinstance(client, SqliteClient) or isinstance(client, SqliteTransactionWrapper):
        return
    lock = client._lock  # noqa: SLF001 - Tortoise has no other name
    try:
        async with asyncio.timeout(_BUSY_TIMEOUT_S):
            await lock.acquire()
    except TimeoutError:
        raise StoreContention(
            f"the SQLite connection {client.connection_name!r} of this process has been in a transaction of another "
            f"task for {_BUSY_TIMEOUT_S} s: keep transactions short, and let none wait for a task that uses durable"
        ) from None
    try:
        if client._connection is None:  # noqa: SLF001 - Tortoise has no other name
            await _open(client)
    finally:
        lock.release()


async def _open(client: SqliteClient) -> None:
    # Where that fails, aiosqlite leaves its thread alone, which falls over the loop of a program that ends at once.
    sqlite3.connect(client.filename).close()
    try:
        await client.create_connection(with_db=True)
    except BaseException:
        await client.close()  # it may be half set up, and its thread would keep the process from ending
        raise
