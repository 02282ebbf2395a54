"""Durable workflows on the tables of a Peewee application."""

from __future__ import annotations

from durable_peewee.models import define_models
from durable_peewee.session import PeeweeSession
from durable_peewee.store import PeeweeStateStore

__all__ = ["PeeweeSession", "PeeweeStateStore", "define_models"]
