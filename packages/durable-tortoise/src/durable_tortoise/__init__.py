"""Durable workflows on the tables of a Tortoise ORM application."""

from __future__ import annotations

from durable_tortoise.fields import KeyField
from durable_tortoise.schema import ensure_tortoise_schema
from durable_tortoise.session import TortoiseSession
from durable_tortoise.store import TortoiseStateStore

__all__ = ["KeyField", "TortoiseSession", "TortoiseStateStore", "ensure_tortoise_schema"]
