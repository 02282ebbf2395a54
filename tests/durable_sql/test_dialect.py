"""What differs between databases, as values."""

from __future__ import annotations

import enum
import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sql.dialect import MYSQL, POSTGRES, SQLITE
from durable_sql.session import Statement
from durable_sql.statements.binding import among, bounded, statement
from durable_sql.stored_instants import read_instant

_AT = datetime(2026, 11, 22, 12, 30, 15, 123_000, tzinfo=UTC)


def test_a_name_may_stand_anywhere_and_any_number_of_times() -> None:
    sql = "SELECT ':no', CAST(:a AS text), x::int FROM t WHERE a = :a AND b = :b_2"
    params = {"a": 1, "b_2": 2}

    numbered = POSTGRES.with_placeholder(lambda position: f"${position}")

    assert statement(SQLITE, sql.replace("':no', ", ""), params) == Statement(
        "SELECT CAST(? AS text), x::int FROM t WHERE a = ? AND b = ?", (1, 1, 2)
    )
    assert statement(numbered, "a = :a OR b = :b_2 OR a = :a", params).sql == "a = $1 OR b = $2 OR a = $3"
    assert numbered.name == "postgres"
    assert statement(MYSQL, "a = :a", params).sql == "a = %s"


def test_an_enums_member_is_bound_as_what_it_is() -> None:
    class Status(str, enum.Enum):  # noqa: UP042 - its str() is not its value
        PENDING = "pending"

    class Level(enum.IntEnum):
        HIGH = 3

    bound = statement(SQLITE, ":a :b :c", {"a": Status.PENDING, "b": Level.HIGH, "c": True}).params

    assert bound == ("pending", 3, 1)
    assert [type(value) for value in bound] == [str, int, int]


def test_one_of_none_is_nothing() -> None:
    assert among("status", "status", ()) == ("1 = 0", {})


def test_a_limit_fits_into_every_driver() -> None:
    assert bounded(7) == 7
    assert bounded(10**30) == 2**53


@pytest.mark.parametrize(
    "stored",
    [
        "2026-11-22 12:30:15.123",
        "2026-11-22 12:30:15.123999",
        "2026-11-22T12:30:15.123Z",
        "2026-11-22T14:30:15.123456+02:00",
        datetime(2026, 11, 22, 12, 30, 15, 123_999),  # noqa: DTZ001 - as MySQL's drivers give it
        datetime(2026, 11, 22, 14, 30, 15, 123_999, tzinfo=timezone(timedelta(hours=2))),
        int(_AT.timestamp() * 1000),
    ],
)
def test_instants_are_read_whoever_wrote_them(stored: object) -> None:
    assert read_instant(stored, "created_at") == _AT
    assert read_instant("2026-11-22 12:30:15", "created_at") == _AT.replace(microsecond=0)


def test_instants_are_written_in_each_databases_form() -> None:
    assert SQLITE.encode_instant(_AT) == "2026-11-22 12:30:15.123"
    assert SQLITE.encode_instant(_AT.replace(microsecond=0)) == "2026-11-22 12:30:15.000"
    assert SQLITE.encode_instant(_AT.replace(year=987)) == "0987-11-22 12:30:15.123"
    assert POSTGRES.encode_instant(_AT) == _AT
    assert MYSQL.encode_instant(_AT) == _AT.replace(tzinfo=None)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)


@given(prefix=_TEXTS | st.sampled_from(["\ud7ff", "a\U0010ffff", "\U0010ffff", "%", "_", "|", "a_"]), behind=_TEXTS)
def test_a_prefix_is_found_at_the_beginning_and_nowhere_else(prefix: str, behind: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        for text in (prefix + behind, behind, behind + prefix, prefix.swapcase() + behind):
            sql, params = SQLITE.starts_with("t.name", "prefix", prefix)
            bound = statement(SQLITE, f"SELECT {sql} FROM (SELECT :name AS name) AS t", {**params, "name": text})
            assert connection.execute(bound.sql, bound.params).fetchone() == (text.startswith(prefix),), text
    connection.close()
