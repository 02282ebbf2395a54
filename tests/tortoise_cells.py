"""A database with the Tortoise applications and stores that a test opens on it, one driver at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tortoise.context import TortoiseContext

from database_probe import Probe
from database_servers import BackendAddress
from durable_tortoise import TortoiseStateStore
from tortoise_databases import BACKEND_OF, open_tortoise
from tortoise_notes import Note

__all__ = ["SERVED", "Cell", "CellOn", "eventually"]

_NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text VARCHAR(50) NOT NULL UNIQUE)"


class Cell:
    """One test database, with the application's table *notes*.

    The connection has the name of its driver, for Tortoise keeps a model's statements by that name, process-wide.
    """

    def __init__(self, address: BackendAddress, driver: str) -> None:
        self.address = address
        self.driver = driver
        self.sql = Probe(address)
        self.sql.execute(_NOTES)

    @property
    def kind(self) -> str:
        """The database: sqlite, postgres or mysql."""
        return self.sql.dialect

    @property
    def one_connection(self) -> dict[str, Any]:
        """The option for a pool of one; SQLite has no other."""
        return {} if self.kind == "sqlite" else {"minsize": 1, "maxsize": 1}

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run *test* on an event loop of its own; one that hangs fails."""

        async def bounded() -> None:
            async with asyncio.timeout(60):
                await test()

        asyncio.run(bounded())

    @asynccontextmanager
    async def application(self, **options: Any) -> AsyncIterator[TortoiseContext]:
        """An application that has initialised Tortoise; *options* go to its connection."""
        context = await open_tortoise(self.address, self.driver, name=self.driver, **options)
        try:
            with context:
                yield context
        finally:
            await context.close_connections()

    @asynccontextmanager
    async def store(self, **options: Any) -> AsyncIterator[TortoiseStateStore]:
        """The store of an application, with its tables."""
        async with self.application(**options):
            store = TortoiseStateStore(self.driver)
            await store.ensure_schema()
            yield store

    def notes(self) -> list[str]:
        """The application's rows, seen from outside."""
        return [str(text) for (text,) in self.sql.execute("SELECT text FROM notes ORDER BY id")]

    def runs(self) -> list[str]:
        """The ids of the durable runs, seen from outside."""
        return [str(run_id) for (run_id,) in self.sql.execute("SELECT id FROM durable_workflow_runs ORDER BY id")]

    def statuses(self) -> set[str]:
        """Those that the durable runs are in, seen from outside."""
        return {str(status) for (status,) in self.sql.execute("SELECT DISTINCT status FROM durable_workflow_runs")}

    async def note(self, number: int, text: str | None = None) -> None:
        """Write a row of the application, as it would."""
        await Note(id=number, text=text or f"note {number}").save()

    def end_connections(self) -> int:
        """End every other connection to the database from the server's side, as an operator or a restart would."""
        if self.kind == "postgres":
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            ended = self.sql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
            return len(ended)
        others = "db = database() AND id <> connection_id()"
        threads = self.sql.execute(f"SELECT id FROM information_schema.processlist WHERE {others}")
        for (thread,) in threads:
            self.sql.execute(f"KILL {thread}")
        return len(threads)

    def close(self) -> None:
        self.sql.close()


#: The drivers of Tortoise whose database is a server.
SERVED = tuple(driver for driver, backend in BACKEND_OF.items() if backend != "sqlite")

CellOn = Callable[[str], Cell]


async def eventually(holds: Callable[[], object], *, timeout_s: float = 20, every_s: float = 0.005) -> None:
    """Ask until *holds* is true, letting the other tasks work meanwhile."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what is asked for is elsewhere, often behind a server
            await asyncio.sleep(every_s)
