"""A driver's own connection beside those of an ORM, to look at a database and to empty it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Literal

import psycopg2
import pymysql

from database_servers import BackendAddress

__all__ = ["Probe"]

_TABLES = (
    *("durable_step_checkpoints", "durable_run_attributes", "durable_signal_waiters"),
    *("durable_buffered_signals", "durable_buffered_events", "durable_workflow_runs"),
)
_CONNECTIONS = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}


class Probe:
    """A connection that commits each statement at once."""

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

    def empty(self) -> None:
        """Delete every row of ours."""
        for table in _TABLES:
            self.execute(f"DELETE FROM {table}")

    def count_connections(self) -> int | None:
        """How many connections the server has to this database; None where there is no server."""
        return None if self.dialect == "sqlite" else int(self.execute(_CONNECTIONS[self.dialect])[0][0])
