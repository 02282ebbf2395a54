from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.durations import duration_ms
from durable_core.errors import InvalidDuration

DAY = 86_400_000


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("0ms", 0),
        ("500ms", 500),
        ("500 milliseconds", 500),
        ("1 s", 1_000),
        ("1.5s", 1_500),
        ("0.1ms", 1),
        ("1.0001 s", 1_001),
        ("2 m", 120_000),
        ("2 mins", 120_000),
        ("1 h", 3_600_000),
        ("1.5 hours", 5_400_000),
        ("7 days", 7 * DAY),
        ("  1day  ", DAY),
        ("2w", 14 * DAY),
        ("99999999999999999999 weeks", 99999999999999999999 * 7 * DAY),
        (timedelta(0), 0),
        (timedelta(microseconds=1), 1),
        (timedelta(milliseconds=1, microseconds=1), 2),
        (timedelta(days=7), 7 * DAY),
    ],
)
def test_durations_are_whole_milliseconds_that_never_end_early(duration: Any, ms: int) -> None:
    assert duration_ms(duration) == ms


@pytest.mark.parametrize(
    "duration",
    [
        "",
        "5",
        "five days",
        "1 month",
        "1 mo",
        "1 year",
        "-1 s",
        "1 s 2",
        "1,5 s",
        "1e3 s",
        "1 Day",
        ".5 s",
        "1. s",
        "٣ s",
    ],
)
def test_a_text_that_is_no_duration_says_what_one_looks_like(duration: str) -> None:
    with pytest.raises(InvalidDuration, match="write a number and one of ms, s, min, h, d, w"):
        duration_ms(duration)


@pytest.mark.parametrize("duration", [5, 5.0, True, None, object()])
def test_a_bare_number_is_refused_because_nobody_knows_its_unit(duration: Any) -> None:
    with pytest.raises(InvalidDuration, match="ambiguous"):
        duration_ms(duration)


def test_a_negative_timedelta_is_refused() -> None:
    with pytest.raises(InvalidDuration, match="negative"):
        duration_ms(timedelta(microseconds=-1))


@given(st.timedeltas(min_value=timedelta(0)))
def test_rounding_goes_up_and_by_less_than_a_millisecond(duration: timedelta) -> None:
    assert timedelta(0) <= duration_ms(duration) * timedelta(milliseconds=1) - duration < timedelta(milliseconds=1)
