"""Peewee databases on the addresses that the tests get."""

from __future__ import annotations

from typing import Any

import peewee
from playhouse.pool import PooledMySQLDatabase, PooledPostgresqlDatabase, PooledSqliteDatabase

from database_servers import BackendAddress, Server

__all__ = ["open_peewee"]


def open_peewee(address: BackendAddress, *, pooled: bool = False, **options: Any) -> peewee.Database:
    """Make the Peewee database at *address*, pooled if asked; *options* go to its class."""
    database: peewee.Database
    if address.server is None:
        database = (PooledSqliteDatabase if pooled else peewee.SqliteDatabase)(address.database, **options)
    elif address.backend == "mariadb":
        arguments = {**_login(address.server), "charset": "utf8mb4", **options}
        database = (PooledMySQLDatabase if pooled else peewee.MySQLDatabase)(address.database, **arguments)
    else:
        arguments = {**_login(address.server), "prefer_psycopg3": address.backend == "postgres3", **options}
        database = (PooledPostgresqlDatabase if pooled else peewee.PostgresqlDatabase)(address.database, **arguments)
    return database


def _login(server: Server) -> dict[str, Any]:
    login: dict[str, Any] = {"host": server.host, "port": server.port, "user": server.user}
    return {**login, "password": server.password} if server.password else login
