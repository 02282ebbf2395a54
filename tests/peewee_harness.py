"""The conformance harness of PeeweeStateStore, on one database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends import Backends
from database_probe import Probe
from database_servers import BackendAddress
from durable_conformance import Elsewhere, Harness, StoreAbsent
from durable_peewee import PeeweeStateStore
from peewee_databases import open_peewee

__all__ = ["PeeweeHarness", "open_elsewhere"]


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
        return _open(self._address)

    def elsewhere(self) -> Elsewhere | None:
        return None if self._address is None else Elsewhere(open_elsewhere, self._address.to_json())

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


def open_elsewhere(address: str) -> PeeweeStateStore:
    """Open the store in another process."""
    return _open(BackendAddress.from_json(address))


def _open(address: BackendAddress) -> PeeweeStateStore:
    # PyMySQL reads the machine's certificates for each connection, which costs more than a clause.
    options: dict[str, Any] = {"ssl_disabled": True} if address.backend == "mariadb" else {}
    return PeeweeStateStore(open_peewee(address, **options))
