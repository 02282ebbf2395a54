"""Tortoise contexts on the addresses that the tests get."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from tortoise.context import TortoiseContext

from backends import CELLS
from database_servers import BackendAddress

__all__ = ["BACKEND_OF", "DRIVERS", "connection_of", "open_tortoise", "why_no_driver"]

#: Which backend each driver of Tortoise needs.
BACKEND_OF: Final = CELLS["tortoise"]
DRIVERS: Final = tuple(BACKEND_OF)

_ENGINES: Final = {
    "sqlite": "tortoise.backends.sqlite",
    "asyncpg": "tortoise.backends.asyncpg",
    "psycopg": "tortoise.backends.psycopg",
    "asyncmy": "tortoise.backends.mysql",
    "aiomysql": "tortoise_aiomysql",
}


def why_no_driver(driver: str) -> str | None:
    """Tell why *driver* cannot be used here; None when it can."""
    needed = "aiosqlite" if driver == "sqlite" else driver
    return None if find_spec(needed) else f"{needed} is not installed"


def connection_of(address: BackendAddress, driver: str, **options: Any) -> dict[str, Any]:
    """What `Tortoise.init` is given for a connection to *address* over *driver*."""
    if address.server is None:
        credentials: dict[str, Any] = {"file_path": address.database}
    else:
        server = address.server
        credentials = {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "password": server.password,
            "database": address.database,
        }
    return {"engine": _ENGINES[driver], "credentials": {**credentials, **options}}


async def open_tortoise(
    address: BackendAddress,
    driver: str,
    *,
    name: str = "default",
    modules: tuple[str, ...] = ("tortoise_notes",),
    **options: Any,
) -> TortoiseContext:
    """Make a context of its own, as another process would have, whose connection *name* is the database."""
    context = TortoiseContext()
    config = {
        "connections": {name: connection_of(address, driver, **options)},
        "apps": {"models": {"models": list(modules), "default_connection": name}},
    }
    with context:  # Tortoise looks its models' connection up where it is initialised
        await context.init(config)
    return context
