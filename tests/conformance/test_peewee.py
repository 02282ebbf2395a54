"""PeeweeStateStore keeps the contract on every database that it serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import psycopg2
import pymysql
import pytest

from backends import Backends
from database_servers import BackendAddress
from durable_conformance import Harness, StoreAbsent, StoreContract
from durable_peewee import PeeweeStateStore
from peewee_databases import open_peewee

_TABLES = (
    *("durable_step_checkpoints", "durable_run_attributes", "durable_signal_waiters"),
    *("durable_buffered_signals", "durable_buffered_events", "durable_workflow_runs"),
)
_CONNECTIONS = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}


class Probe:
    """A driver's own connection, beside those of Peewee."""

    def __init__(self, address: BackendAddress) -> None:
        server = address.server
        self.dialect: Literal["sqlite", "postgres", "mysql"] = "sqlite"
        self._connection: Any
        if server is None:
            self._connection = sqlite3.connect(address.database, isolation_level=None, timeout=30)
        elif server.kind == "mariadb":
            self.dialect = "mysql"
            login: dict[str, Any] = {
                "host": server.host,
                "port": server.port,
                "user": server.user,
                "password": server.password,
            }
            self._connection = pymysql.connect(database=address.database, autocommit=True, charset="utf8mb4", **login)
        else:
            self.dialect = "postgres"
            self._connection = psycopg2.connect(address.url)
            self._connection.autocommit = True

    def execute(self, sql: str) -> Sequence[Sequence[Any]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def close(self) -> None:
        self._connection.close()


class PeeweeHarness(Harness):
    sql: Probe | None = None

    def __init__(self, backend: str) -> None:
        self.name = f"peewee-{backend}"
        self.backend = backend
        self._databases: Backends | None = None
        self._folder = Path()
        self._address: BackendAddress | None = None

    def place(self, databases: Backends, folder: Path) -> None:
        """Say where databases come from and where a SQLite file may lie."""
        self._databases, self._folder = databases, folder
        if databases.why_absent(self.backend or "") is None:
            self._address = databases.create(self.backend or "", folder)
            self.sql = Probe(self._address)

    def open(self) -> PeeweeStateStore:
        if self._address is None:
            raise StoreAbsent(self._databases.why_absent(self.backend or "") if self._databases else "no place")
        # PyMySQL reads the machine's certificates for each connection, which costs more than a clause.
        options: dict[str, Any] = {"ssl_disabled": True} if self.backend == "mariadb" else {}
        return PeeweeStateStore(open_peewee(self._address, **options))

    def reset(self) -> None:
        if self.sql is not None:
            for table in _TABLES:
                self.sql.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        if self._address is not None and self._databases is not None and self.sql is not None:
            self.sql.close()
            self._databases.drop(self._address)
        self._address = self.sql = None

    def open_connections(self) -> int | None:
        if self.sql is None or self.sql.dialect == "sqlite":
            return None
        return int(self.sql.execute(_CONNECTIONS[self.sql.dialect])[0][0])


@pytest.fixture(scope="class")
def durable_harness(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    harness: PeeweeHarness = request.cls.harness
    harness.place(backends, tmp_path_factory.mktemp(harness.name))
    yield harness
    harness.close()


class TestPeeweeSqlite(StoreContract):
    harness = PeeweeHarness("sqlite")


class TestPeeweePostgres(StoreContract):
    harness = PeeweeHarness("postgres")


class TestPeeweePostgres3(StoreContract):
    harness = PeeweeHarness("postgres3")


class TestPeeweeMariadb(StoreContract):
    harness = PeeweeHarness("mariadb")
