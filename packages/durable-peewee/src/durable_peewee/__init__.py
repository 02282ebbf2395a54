"""Durable workflows on the tables of a Peewee application."""

from __future__ import annotations

from durable_peewee.fields import KeyField
from durable_peewee.models import DurableModels, define_models
from durable_peewee.schema import durable_migrations, ensure_peewee_schema
from durable_peewee.session import PeeweeSession
from durable_peewee.store import PeeweeStateStore

__all__ = [
    "DurableModels",
    "KeyField",
    "PeeweeSession",
    "PeeweeStateStore",
    "define_models",
    "durable_migrations",
    "ensure_peewee_schema",
]
