"""The durable models in use, on the addresses that the tests get."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext

from database_servers import BackendAddress
from tortoise_databases import open_tortoise

__all__ = ["DRIVER_OF", "models_on"]

#: One driver of Tortoise for each backend.
DRIVER_OF: Final = {"sqlite": "sqlite", "postgres": "asyncpg", "postgres3": "psycopg", "mariadb": "asyncmy"}


@asynccontextmanager
async def models_on(address: BackendAddress, *modules: str) -> AsyncIterator[TortoiseContext]:
    """Let the durable models, and those of the host's *modules*, stand for the tables at *address*."""
    # Tortoise keeps statements by the connection's name, whatever database is behind it.
    EXECUTOR_CACHE.clear()
    context = await open_tortoise(address, DRIVER_OF[address.backend], modules=("durable_tortoise.models", *modules))
    async with context:
        yield context
