"""A Tortoise application's own table, as small as can be."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

__all__ = ["Note"]


class Note(Model):
    id = fields.IntField(primary_key=True)
    text = fields.CharField(max_length=50, unique=True)

    class Meta:
        table = "notes"
