"""The tables of durable, by the same code as at boot; `Durable(auto_schema=False)` then only verifies them."""

from __future__ import annotations

from typing import Any

from peewee import Database

from durable_peewee import ensure_peewee_schema

__all__ = ["atomic", "up"]

#: It opens its own transactions, under a lock that keeps other processes out.
atomic = False


def up(_migrator: Any, db: Database) -> None:
    ensure_peewee_schema(db)
