"""Durations as people write them: ``"7 days"``, ``"500ms"``, or a timedelta."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from durable_core.errors import InvalidDuration

__all__ = ["Duration", "duration_ms"]

#: A bare number is refused on purpose: nobody can tell whether it means seconds or milliseconds.
Duration: TypeAlias = str | timedelta

_UNITS_MS: Final = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1_000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 604_800_000),
}
_TEXT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)


def duration_ms(duration: Duration) -> int:
    """The duration in whole milliseconds, rounded up so that nothing ends early.

    Texts are a number and a unit: ms, s, min (or m), h, d, w and their long forms. A month has no fixed length and
    is refused, as is anything negative. Raises `InvalidDuration`.
    """
    if isinstance(duration, timedelta):
        if duration < timedelta(0):
            raise InvalidDuration(f"a duration must not be negative, got {duration!r}")
        return -(-duration // timedelta(milliseconds=1))
    if not isinstance(duration, str):
        raise InvalidDuration(
            f"a duration is a text with a unit such as '7 days', or a timedelta; got {duration!r} "
            "(a bare number is ambiguous)"
        )
    match = _TEXT.fullmatch(duration)
    if match is None or match[2] not in _UNITS_MS:
        raise InvalidDuration(f"cannot read the duration {duration!r}: write a number and one of ms, s, min, h, d, w")
    return math.ceil(Decimal(match[1]) * _UNITS_MS[match[2]])
