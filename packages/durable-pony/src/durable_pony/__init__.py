"""Durable workflows on the tables of a Pony ORM application."""

from __future__ import annotations

from durable_pony.session import PonySession
from durable_pony.store import PonyStateStore

__all__ = ["PonySession", "PonyStateStore"]
