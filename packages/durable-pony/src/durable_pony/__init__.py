"""Durable workflows on the tables of a Pony ORM application."""

from __future__ import annotations

from durable_pony.models import DurableEntities, define_entities
from durable_pony.schema import ensure_pony_schema
from durable_pony.session import PonySession
from durable_pony.store import PonyStateStore

__all__ = ["DurableEntities", "PonySession", "PonyStateStore", "define_entities", "ensure_pony_schema"]
