"""Instants as databases keep them: to the millisecond, in UTC, in the one form that each database compares rightly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from durable_core.instants import from_ms, to_utc

__all__ = ["as_aware", "as_naive", "as_text", "read_instant"]


def as_aware(instant: datetime) -> datetime:
    """For columns with a time zone."""
    return instant


def as_naive(instant: datetime) -> datetime:
    """For columns without one, which we fill with UTC."""
    return instant.replace(tzinfo=None)


def as_text(instant: datetime) -> str:
    """For SQLite: one fixed width, so that texts sort as the instants do."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def read_instant(stored: Any, field: str) -> datetime:
    """The instant behind what a driver gave, whoever wrote it; without an offset it is UTC.

    Datetimes, ISO texts with ``T``, ``Z``, an offset or microseconds, and epoch milliseconds.
    """
    if isinstance(stored, int):
        return from_ms(stored, field)
    instant = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return to_utc(instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant, field)
