"""Open the database by its address, and bring its tables up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise import Tortoise

from audit_tortoise.workflow import durable

__all__ = ["opened", "tortoise_url"]

_MODULES = ["audit_tortoise.models", "durable_tortoise.models"]
# Three slashes before a relative path, four before an absolute one, as the Peewee program takes them.
_SCHEMES = {
    "sqlite:///": "sqlite://",
    "postgresql://": "asyncpg://",
    "psycopg://": "psycopg://",
    "mysql://": "mysql://",
}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[None]:
    """Let the models and durable use the database at *url* during the block; its tables are made first."""
    await Tortoise.init(db_url=url, modules={"models": _MODULES})
    try:
        await durable.boot()
        # Each table by itself and only if it is missing, so that a program killed half-way goes on from there.
        await Tortoise.generate_schemas(safe=True)
        yield
    finally:
        await Tortoise.close_connections()


def tortoise_url(address: str) -> str:
    """What Tortoise calls the database at *address*.

    ``sqlite:///audit.db``, ``postgresql://user@host/name`` (``psycopg://`` for psycopg 3) or ``mysql://user@host/name``.
    Raises `ValueError` for an address that is none of these.
    """
    for written, meant in _SCHEMES.items():
        if address.startswith(written):
            return meant + address.removeprefix(written)
    raise ValueError(f"{address!r} begins with none of {', '.join(_SCHEMES)}")
