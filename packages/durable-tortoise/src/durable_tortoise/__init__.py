"""Durable workflows on the tables of a Tortoise ORM application."""

from __future__ import annotations

from durable_tortoise.session import TortoiseSession
from durable_tortoise.store import TortoiseStateStore

__all__ = ["TortoiseSession", "TortoiseStateStore"]
