"""Making and dropping databases on the servers that the tests may use."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pymysql

__all__ = [
    "BackendAddress",
    "Server",
    "create_database",
    "database_name",
    "drop_database",
    "drop_leftovers",
    "server_of",
    "why_unreachable",
]

_VARIABLES = {
    "postgres": ("DURABLE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("DURABLE_TEST_MARIADB", "mysql://root@127.0.0.1:3306/mysql"),
}
_PREFIX = "durable_test_"
_STALE_AFTER_S = 6 * 3600
_CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One database server, and the database that we administer it from."""

    kind: str
    host: str
    port: int
    user: str
    password: str
    database: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendAddress:
    """Where one test database is. For SQLite *database* is the file and there is no server."""

    backend: str
    database: str
    server: Server | None = None

    @property
    def url(self) -> str:
        """The address as a URL, for a program that takes one: ``sqlite:///``, ``postgresql://`` or ``mysql://``."""
        if self.server is None:
            return f"sqlite:///{self.database}"
        scheme = "mysql" if self.server.kind == "mariadb" else "postgresql"
        login = self.server.user + (f":{self.server.password}" if self.server.password else "")
        return f"{scheme}://{login}@{self.server.host}:{self.server.port}/{self.database}"

    def to_json(self) -> str:
        """Write the address for a program that a test starts."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BackendAddress:
        """Read what :meth:`to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        server = fields.pop("server")
        return cls(**fields, server=None if server is None else Server(**server))


def server_of(kind: str) -> Server:
    """The server of this kind, from its environment variable or where a developer's machine has it."""
    variable, default = _VARIABLES[kind]
    parts = urlsplit(os.environ.get(variable) or default)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{variable} must be a URL with host and port, like {default}")
    return Server(
        kind=kind,
        host=parts.hostname,
        port=parts.port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
    )


def why_unreachable(server: Server) -> str | None:
    """Tell why *server* does not answer; None when it does."""
    try:
        with _administering(server) as execute:
            execute("SELECT 1")
    except (psycopg2.Error, pymysql.Error, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        return f"no {server.kind} at {server.host}:{server.port} ({first}); set {_VARIABLES[server.kind][0]}"
    return None


def database_name(suffix: str) -> str:
    """Name a database so that a later run can tell whether this process still uses it."""
    return f"{_PREFIX}{int(time.time()):x}_{os.getpid()}_{suffix}"


def create_database(server: Server, name: str) -> None:
    """Make the empty database *name*."""
    with _administering(server) as execute:
        charset = " CHARACTER SET utf8mb4" if server.kind == "mariadb" else ""
        execute(f"CREATE DATABASE {name}{charset}")


def drop_database(server: Server, name: str) -> None:
    """Drop *name*, ending the connections that are still open to it."""
    with _administering(server) as execute:
        if server.kind == "mariadb":
            # DROP waits for the metadata locks of a killed test's transaction, so those connections go first.
            for (connection,) in execute("SELECT id FROM information_schema.processlist WHERE db = %s", name):
                _kill(execute, int(connection))
            execute(f"DROP DATABASE IF EXISTS {name}")
        else:
            execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def drop_leftovers(server: Server) -> None:
    """Drop the databases of runs that died before they could."""
    catalogue = (
        "SELECT schema_name FROM information_schema.schemata"
        if server.kind == "mariadb"
        else "SELECT datname FROM pg_database"
    )
    with _administering(server) as execute:
        names = [str(name) for (name,) in execute(catalogue)]
    for name in names:
        if name.startswith(_PREFIX) and _is_stale(name):
            # Another worker of this run sweeps at the same moment; what one of them leaves, the next run drops.
            with suppress(psycopg2.Error, pymysql.Error):
                drop_database(server, name)


def _is_stale(name: str) -> bool:
    try:
        made, pid, *_ = name.removeprefix(_PREFIX).split("_")
        age, process = time.time() - int(made, 16), int(pid)
    except ValueError:
        return False
    if age > _STALE_AFTER_S:
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _kill(execute: Callable[..., list[tuple[Any, ...]]], connection: int) -> None:
    with suppress(pymysql.err.OperationalError):  # it ended by itself
        execute(f"KILL {connection}")


@contextmanager
def _administering(server: Server) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    connection: Any
    if server.kind == "mariadb":
        connection = pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database,
            connect_timeout=_CONNECT_TIMEOUT_S,
            autocommit=True,
        )
    else:
        connection = psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            dbname=server.database,
            connect_timeout=_CONNECT_TIMEOUT_S,
        )
        connection.autocommit = True

    def execute(sql: str, *params: object) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall()) if cursor.description else []

    with closing(connection):
        yield execute
