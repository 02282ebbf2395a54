"""The databases that the tests run on, as a pytest plugin.

Every test that wants a database asks the fixture ``fresh_database`` for one and gets its address, which an in-process
test and a program that it starts (and kills) can both open. Databases are made empty, belong to one test, and are
dropped after it; what a killed run left behind is dropped by the next one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import database_servers
from database_servers import BackendAddress, Server
from durable_conformance.plugin import leave_out, required_cells

__all__ = [
    "BACKENDS",
    "CELLS",
    "SERVERS",
    "Backends",
    "FreshDatabase",
    "any_database",
    "backend",
    "backends",
    "fresh_database",
    "pytest_configure",
    "pytest_sessionfinish",
]

BACKENDS = ("sqlite", "postgres", "postgres3", "mariadb")
#: The cells of each adapter by name, and the backend that each one needs.
CELLS = {
    "peewee": {name: name for name in BACKENDS},
    "pony": {name: name for name in BACKENDS if name != "postgres3"},
    "tortoise": {
        "sqlite": "sqlite",
        "asyncpg": "postgres",
        "psycopg": "postgres",
        "asyncmy": "mariadb",
        "aiomysql": "mariadb",
    },
}
SERVERS = {"postgres": "postgres", "postgres3": "postgres", "mariadb": "mariadb"}
_LEAVE_OUT = "DURABLE_TEST_LEAVE_OUT"

FreshDatabase = Callable[[str], BackendAddress]


class Backends:
    """What this run knows of its databases; each server is asked once whether it is there."""

    def __init__(self) -> None:
        self._absent: dict[str, str | None] = {}
        self._numbers = itertools.count(1)
        self._made: dict[str, Server] = {}
        self._swept: set[Server] = set()
        self._left_out = frozenset(filter(None, os.environ.get(_LEAVE_OUT, "").split(",")))

    def why_absent(self, name: str) -> str | None:
        """Tell why the backend *name* cannot run here; None when it can."""
        if name not in BACKENDS:
            raise LookupError(f"no backend is named {name!r}; there are {', '.join(BACKENDS)}")
        if name in self._left_out:
            return f"left out by {_LEAVE_OUT}"
        if name not in SERVERS:
            return None
        server = SERVERS[name]
        if server not in self._absent:
            self._absent[server] = database_servers.why_unreachable(self._server(name))
        return self._absent[server]

    def create(self, name: str, folder: Path) -> BackendAddress:
        """Make an empty database for the backend *name*; a SQLite file lies in *folder*."""
        number = next(self._numbers)
        if name not in SERVERS:
            return BackendAddress(backend=name, database=str(folder / f"durable_{number}.sqlite3"))
        server = self._server(name)
        if server not in self._swept:
            self._swept.add(server)
            database_servers.drop_leftovers(server)
        database = database_servers.database_name(f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{number}")
        database_servers.create_database(server, database)
        self._made[database] = server
        return BackendAddress(backend=name, database=database, server=server)

    def drop(self, address: BackendAddress) -> None:
        """Drop the database at *address*, with whoever is still connected to it."""
        server = self._made.pop(address.database, None)
        if server is not None:
            database_servers.drop_database(server, address.database)

    def drop_all(self) -> None:
        """Drop every database of this run that a test left."""
        for database, server in list(self._made.items()):
            self._made.pop(database)
            database_servers.drop_database(server, database)

    def _server(self, name: str) -> Server:
        return database_servers.server_of(SERVERS[name])


_STASH = pytest.StashKey[Backends]()


def pytest_configure(config: pytest.Config) -> None:
    cells = {f"{adapter}-{name}" for adapter, names in CELLS.items() for name in names}
    unknown = required_cells(config) - {"all", "memory", "memory-offloaded", *BACKENDS, *cells}
    if unknown:
        raise pytest.UsageError(f"--durable-require names no cell of ours: {', '.join(sorted(unknown))}")
    config.stash[_STASH] = Backends()


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_STASH].drop_all()


@pytest.fixture(scope="session")
def backends(pytestconfig: pytest.Config) -> Backends:
    """The databases of this run."""
    return pytestconfig.stash[_STASH]


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest, backends: Backends, tmp_path: Path) -> Iterator[FreshDatabase]:
    """Make an empty database by backend name, as often as the test likes; all are dropped after the test."""
    made: list[BackendAddress] = []

    def create(name: str) -> BackendAddress:
        reason = backends.why_absent(name)
        if reason is not None:
            leave_out(request, name, reason)
        made.append(backends.create(name, tmp_path))
        return made[-1]

    yield create
    for address in made:
        backends.drop(address)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, backends: Backends) -> str:
    """The name of each backend in turn."""
    name: str = request.param
    reason = backends.why_absent(name)
    if reason is not None:
        leave_out(request, name, reason)
    return name


@pytest.fixture
def any_database(backend: str, fresh_database: FreshDatabase) -> BackendAddress:
    """An empty database on each backend in turn."""
    return fresh_database(backend)
