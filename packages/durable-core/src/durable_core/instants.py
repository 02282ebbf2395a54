"""Epoch milliseconds and aware UTC datetimes, and nothing else, are how this library tells time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from durable_core.errors import InvalidInstant

__all__ = ["from_ms", "to_ms", "to_utc"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_utc(instant: datetime, field: str) -> datetime:
    """*instant* in UTC, cut down to whole milliseconds. Raises `InvalidInstant`, naming *field*, for a naive one."""
    if not isinstance(instant, datetime):
        raise InvalidInstant(f"{field} must be an aware datetime, got {instant!r}")
    if instant.utcoffset() is None:
        raise InvalidInstant(f"{field} is a naive datetime, {instant!r}: give it a time zone, e.g. tzinfo=timezone.utc")
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        raise InvalidInstant(f"{field} leaves the years 1 to 9999 in UTC: {instant!r}") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def to_ms(instant: datetime, field: str = "instant") -> int:
    """*instant* as epoch milliseconds, rounded down."""
    return (to_utc(instant, field) - _EPOCH) // _MILLISECOND


def from_ms(ms: int, field: str = "instant") -> datetime:
    """Epoch milliseconds as an aware UTC datetime. Raises `InvalidInstant` outside the years 1 to 9999."""
    if isinstance(ms, bool) or not isinstance(ms, int):
        raise InvalidInstant(f"{field} must be whole epoch milliseconds (int), got {ms!r}")
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise InvalidInstant(f"{field} lies outside the years 1 to 9999: {ms} ms since 1970") from None
