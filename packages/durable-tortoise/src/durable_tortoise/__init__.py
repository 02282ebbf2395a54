"""Durable workflows on the tables of a Tortoise ORM application."""

from __future__ import annotations

__all__: list[str] = []
