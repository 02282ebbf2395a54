"""Pony databases on the addresses that the tests get."""

from __future__ import annotations

from typing import Any

from pony.orm import Database

from backends import CELLS
from database_servers import BackendAddress

__all__ = ["PONY_BACKENDS", "bind_pony", "open_pony"]

PONY_BACKENDS = tuple(CELLS["pony"].values())


def open_pony(address: BackendAddress, **options: Any) -> Database:
    """Make a bound Pony database at *address*, with no connection open; *options* go to its ``bind``."""
    database = Database()
    bind_pony(database, address, **options)
    return database


def bind_pony(database: Database, address: BackendAddress, **options: Any) -> None:
    """Bind *database* to *address*."""
    server = address.server
    if server is None:
        database.bind(provider="sqlite", filename=address.database, create_db=True, **options)
    elif server.kind == "mariadb":
        login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
        database.bind(provider="mysql", database=address.database, **{**login, "charset": "utf8mb4", **options})
    else:
        database.bind(provider="postgres", dsn=address.url, **options)
    database.disconnect()  # Pony looks at what it is bound to, and keeps that connection
