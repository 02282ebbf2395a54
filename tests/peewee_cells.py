"""A backend with its Peewee databases and stores, the statements they ran, and threads that start together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import peewee

from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_core.instants import to_ms
from durable_core.records import StepCheckpoint, WorkflowRun
from durable_peewee import PeeweeStateStore
from durable_sql.schema.tables import TABLES
from peewee_databases import open_peewee

__all__ = ["NOW", "NOW_MS", "Cell", "CellOn", "Ran", "a_checkpoint", "a_run", "created", "eventually", "together"]

T = TypeVar("T")

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)


class Cell:
    """One test database; every handle that a test opens on it is closed after the test."""

    def __init__(self, address: BackendAddress) -> None:
        self.address = address
        self._opened: list[peewee.Database] = []

    @property
    def name(self) -> str:
        return self.address.backend

    @property
    def is_postgres(self) -> bool:
        return self.name.startswith("postgres")

    def database(self, **options: Any) -> peewee.Database:
        """Another Peewee database on the same data."""
        self._opened.append(open_peewee(self.address, **options))
        return self._opened[-1]

    def store(self, database: peewee.Database | None = None, **options: Any) -> PeeweeStateStore:
        """A store, on a database of its own unless one is given, whose connection then stays open on this thread."""
        if database is None:
            database = self.database()
            database.connect()
        return PeeweeStateStore(database, **options)

    def in_thread(self, work: Callable[[PeeweeStateStore], T]) -> Callable[[], T]:
        """*work* on a store of its own, for another thread: its connection is closed at the end."""

        def call() -> T:
            database = self.database()
            with database.connection_context():
                return work(self.store(database))

        return call

    def empty(self) -> None:
        """Delete every row."""
        database = self._opened[0]
        for table in TABLES:
            database.execute_sql(f"DELETE FROM {table.name}")

    def close(self) -> None:
        for database in self._opened:
            if database.deferred:
                continue
            if hasattr(database, "close_all"):
                database.close_all()
            elif not database.is_closed():
                database.close()


CellOn = Callable[[str], Cell]


class Ran:
    """The statements that a database ran while the block lasted, and how many transactions it began."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []
        self.begun = 0

    def __len__(self) -> int:
        return len(self.statements)

    def matching(self, start: str) -> list[str]:
        return [sql for sql, _ in self.statements if sql.startswith(start)]

    @classmethod
    @contextmanager
    def on(cls, database: peewee.Database) -> Iterator[Ran]:
        ran = cls()
        begin = database.begin

        def hook(event: Any) -> None:
            ran.statements.append((event.sql, event.params))

        def counted_begin(*args: Any, **kwargs: Any) -> Any:
            ran.begun += 1
            return begin(*args, **kwargs)

        database.query_hooks.append(hook)
        database.begin = counted_begin  # type: ignore[method-assign]
        try:
            yield ran
        finally:
            database.query_hooks.remove(hook)
            del database.begin


def a_run(run_id: str, **fields: Any) -> WorkflowRun:
    defaults: dict[str, Any] = {
        "workflow": "order",
        "workflow_version": "1",
        "status": "pending",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return WorkflowRun(id=run_id, **{**defaults, **fields})


def a_checkpoint(run_id: str, seq: int, **fields: Any) -> StepCheckpoint:
    defaults: dict[str, Any] = {
        "name": "step",
        "kind": "local",
        "step_id": f"{run_id}:{seq}",
        "status": "completed",
        "attempts": 1,
        "started_at": NOW,
        "finished_at": NOW,
    }
    return StepCheckpoint(run_id=run_id, seq=seq, **{**defaults, **fields})


def together(count: int, work: Callable[[int], T], *, timeout_s: float = 60) -> list[T]:
    """Run *work* in *count* threads that start at the same moment; the results in order, or the first error."""
    ready = threading.Barrier(count)

    def one(number: int) -> T:
        ready.wait(timeout_s)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(one, number) for number in range(count)]
        return [future.result(timeout_s) for future in futures]


def eventually(holds: Callable[[], object], *, timeout_s: float = 20, every_s: float = 0.01) -> None:
    """Ask until *holds* is true."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(every_s)


def created(store: PeeweeStateStore, *runs: WorkflowRun) -> None:
    for run in runs:
        assert run_blocking(store.create_run(run))
