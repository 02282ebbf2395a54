"""A backend with its Pony databases and stores."""

from __future__ import annotations

from typing import Any

from pony.orm import Database, PrimaryKey, db_session

from database_probe import Probe
from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_pony import PonyStateStore
from pony_databases import open_pony

__all__ = ["PonyCell"]


class PonyCell:
    """One test database; every Pony database that a test opens on it on this thread is closed after the test."""

    def __init__(self, address: BackendAddress) -> None:
        self.address = address
        self.probe = Probe(address)
        self._opened: list[Database] = []

    @property
    def name(self) -> str:
        return self.address.backend

    def database(self, **options: Any) -> Database:
        """Another Pony database on the same data, bound and not mapped."""
        self._opened.append(open_pony(self.address, **options))
        return self._opened[-1]

    def store(self, database: Database | None = None, **options: Any) -> PonyStateStore:
        """A store, on a database of its own unless one is given."""
        return PonyStateStore(self.database() if database is None else database, **options)

    def shop(self) -> Database:
        """A database with an entity ``Order`` of the host's, mapped, and its table made."""
        database = self.database()

        class Order(database.Entity):  # type: ignore[misc, name-defined] # Pony has no types
            _table_ = "orders"
            number = PrimaryKey(int)

        database.generate_mapping(create_tables=True)
        return database

    def orders(self) -> list[int]:
        """The numbers of the orders that are committed."""
        return [int(number) for (number,) in self.probe.execute("SELECT number FROM orders ORDER BY number")]

    def runs(self) -> list[str]:
        """The ids of the runs that are committed."""
        return [str(one) for (one,) in self.probe.execute("SELECT id FROM durable_workflow_runs ORDER BY id")]

    def checkpoints(self) -> list[int]:
        """The positions of the checkpoints that are committed."""
        return [int(seq) for (seq,) in self.probe.execute("SELECT seq FROM durable_step_checkpoints ORDER BY seq")]

    def kill_connection(self, database: Database) -> None:
        """End the connection of the open ``db_session`` from the server's side."""
        own, kill = {
            "postgres": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
            "mysql": ("SELECT connection_id()", "KILL {}"),
        }[self.probe.dialect]
        with db_session:
            (number,) = database.execute(own).fetchone()
        self.probe.execute(kill.format(number))

    def close(self) -> None:
        for database in self._opened:
            if database.provider is not None:
                database.disconnect()
        self.probe.close()

    def ready(self) -> PonyCell:
        run_blocking(self.store().ensure_schema())
        return self
