"""PonyStateStore keeps the contract on every database that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import Backends
from database_probe import Probe
from database_servers import BackendAddress
from durable_conformance import Harness, StoreAbsent, StoreContract
from durable_pony import PonyStateStore
from pony_databases import open_pony


class PonyHarness(Harness):
    sql: Probe | None = None

    def __init__(self, backend: str) -> None:
        self.name = f"pony-{backend}"
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

    def open(self) -> PonyStateStore:
        if self._address is None:
            raise StoreAbsent(self._databases.why_absent(self.backend or "") if self._databases else "no place")
        # PyMySQL reads the machine's certificates for each connection, which costs more than a clause.
        options: dict[str, Any] = {"ssl_disabled": True} if self.backend == "mariadb" else {}
        return PonyStateStore(open_pony(self._address, **options))

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


@pytest.fixture(scope="class")
def durable_harness(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    harness: PonyHarness = request.cls.harness
    harness.place(backends, tmp_path_factory.mktemp(harness.name))
    yield harness
    harness.close()


class TestPonySqlite(StoreContract):
    harness = PonyHarness("sqlite")


class TestPonyPostgres(StoreContract):
    harness = PonyHarness("postgres")


class TestPonyMariadb(StoreContract):
    harness = PonyHarness("mariadb")
