from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.errors import InvalidInstant
from durable_core.instants import from_ms, to_ms, to_utc

FIRST_MS = -62_135_596_800_000
LAST_MS = 253_402_300_799_999


@pytest.mark.parametrize(
    ("ms", "instant"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (2**31 * 1_000, datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)),
        (FIRST_MS, datetime.min.replace(tzinfo=UTC)),
        (LAST_MS, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_milliseconds_and_datetimes_are_the_same_instant(ms: int, instant: datetime) -> None:
    assert from_ms(ms) == instant
    assert from_ms(ms).tzinfo is UTC
    assert to_ms(instant) == ms


@given(st.integers(FIRST_MS, LAST_MS))
def test_every_millisecond_survives(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms


@pytest.mark.parametrize("ms", [FIRST_MS - 1, LAST_MS + 1, 10**30, -(10**30)])
def test_years_that_no_database_holds_are_refused(ms: int) -> None:
    with pytest.raises(InvalidInstant, match="wake_at_ms lies outside the years 1 to 9999"):
        from_ms(ms, "wake_at_ms")


@pytest.mark.parametrize("ms", [1.0, True, None, "1", datetime(2024, 1, 1, tzinfo=UTC)])
def test_only_whole_milliseconds_are_an_instant(ms: Any) -> None:
    with pytest.raises(InvalidInstant, match="wake_at_ms must be whole epoch milliseconds"):
        from_ms(ms, "wake_at_ms")


def test_microseconds_are_cut_downwards_before_and_after_the_epoch() -> None:
    assert to_ms(datetime(1970, 1, 1, microsecond=1_999, tzinfo=UTC)) == 1
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_001, tzinfo=UTC)) == -1
    assert to_utc(datetime(2024, 1, 1, microsecond=1_999, tzinfo=UTC), "at").microsecond == 1_000


def test_other_zones_become_utc() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    instant = to_utc(datetime(2024, 1, 1, 5, 30, tzinfo=zone), "at")
    assert (instant, instant.tzinfo) == (datetime(2024, 1, 1, tzinfo=UTC), UTC)


def test_a_naive_datetime_is_refused_by_name() -> None:
    with pytest.raises(InvalidInstant, match="created_at is a naive datetime"):
        to_utc(datetime(2024, 1, 1), "created_at")  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("instant", [None, 5, "2024-01-01"])
def test_what_is_no_datetime_is_refused_by_name(instant: Any) -> None:
    with pytest.raises(InvalidInstant, match="created_at must be an aware datetime"):
        to_utc(instant, "created_at")


@pytest.mark.parametrize(
    "instant",
    [
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_an_instant_that_leaves_the_calendar_in_utc_is_refused(instant: datetime) -> None:
    with pytest.raises(InvalidInstant, match="created_at leaves the years 1 to 9999"):
        to_utc(instant, "created_at")
