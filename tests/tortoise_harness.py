"""The conformance harness of TortoiseStateStore, on one driver."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tortoise.context import TortoiseContext

from backends import Backends
from database_probe import Probe
from database_servers import BackendAddress
from durable_conformance import Elsewhere, Harness, StoreAbsent
from durable_tortoise import TortoiseStateStore
from tortoise_databases import BACKEND_OF, open_tortoise, why_no_driver

__all__ = ["OwnStore", "TortoiseHarness", "open_elsewhere"]


class OwnStore(TortoiseStateStore):
    """A store with a Tortoise context that nobody shares, as in another process; its connections end with the block."""

    def __init__(self, context: TortoiseContext) -> None:
        super().__init__(context=context)
        self._own = context
        self._depth = 0

    def connected(self) -> AbstractAsyncContextManager[None]:
        return self._closing()

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        self._depth += 1
        try:
            async with super().connected():
                yield
        finally:
            self._depth -= 1
            if not self._depth:
                await self._own.connections.close_all(discard=False)


class TortoiseHarness(Harness):
    blocking = False
    sql: Probe | None = None

    def __init__(self, driver: str) -> None:
        self.name = f"tortoise-{driver}"
        self.backend: str = BACKEND_OF[driver]
        self.driver = driver
        self._databases: Backends | None = None
        self._folder = Path()
        self._address: BackendAddress | None = None

    def place(self, databases: Backends, folder: Path) -> None:
        """Say where databases come from and where a SQLite file may lie."""
        self._databases, self._folder = databases, folder
        if self._why_absent() is None:
            self._address = databases.create(self.backend, folder)
            self.sql = Probe(self._address)

    async def open(self) -> OwnStore:
        if self._address is None:
            raise StoreAbsent(self._why_absent() or "no place")
        return await _open(self._address, self.driver)

    def elsewhere(self) -> Elsewhere | None:
        if self._address is None:
            return None
        return Elsewhere(open_elsewhere, json.dumps([self._address.to_json(), self.driver]))

    def reset(self) -> None:
        if self.sql is not None:
            self.sql.empty()

    def close(self) -> None:
        if self._address is not None and self._databases is not None and self.sql is not None:
            self.sql.close()
            self._databases.drop(self._address)
        self._address = self.sql = None

    def open_connections(self) -> int | None:
        return None if self.sql is None else self.sql.count_connections()

    def _why_absent(self) -> str | None:
        missing = why_no_driver(self.driver)
        return missing if missing or self._databases is None else self._databases.why_absent(self.backend)


async def open_elsewhere(argument: str) -> OwnStore:
    """Open the store in another process."""
    address, driver = json.loads(argument)
    return await _open(BackendAddress.from_json(address), driver)


async def _open(address: BackendAddress, driver: str) -> OwnStore:
    return OwnStore(await open_tortoise(address, driver))
