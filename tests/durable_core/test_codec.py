from __future__ import annotations

import dataclasses
import enum
import math
import sys
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.codec import JsonCodec, json_text, plain
from durable_core.errors import NotJsonSerializable
from node_numbers import NODE, doubles, javascript_texts, sample

JSON = JsonCodec()


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    id: int
    lines: tuple[str, ...] = ()
    parent: Order | None = None


class Tagged(msgspec.Struct, tag="tagged", tag_field="kind", rename="camel"):
    order_id: int


class Columns(msgspec.Struct, array_like=True):
    x: int
    y: str


class Sparse(msgspec.Struct):
    always: int
    sometimes: int | msgspec.UnsetType = msgspec.UNSET


class Model(pydantic.BaseModel):
    order_id: int = pydantic.Field(alias="orderId")
    at: datetime

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.order_id


AT = datetime(2024, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)

WRITTEN: list[tuple[Any, str]] = [
    (None, "null"),
    (0, "0"),
    (False, "false"),
    (True, "true"),
    ("", '""'),
    ([], "[]"),
    ({}, "{}"),
    ([None], "[null]"),
    ({"n": None}, '{"n":null}'),
    ("hello", '"hello"'),
    ("123", '"123"'),
    ("null", '"null"'),
    ('"q"\\', '"\\"q\\"\\\\"'),
    ("é😀\u2028", '"é😀\u2028"'),
    ("\x00\n\t\x1f\x7f", '"\\u0000\\n\\t\\u001f\x7f"'),
    ("\ud800x", '"\\ud800x"'),
    ({"\udfff": 1}, '{"\\udfff":1}'),
    (1.0, "1"),
    (-0.0, "0"),
    (1e16, "10000000000000000"),
    (1.2345678901234568e20, "123456789012345680000"),
    (1e21, "1e+21"),
    (1e-7, "1e-7"),
    (1.5e-6, "0.0000015"),
    (2**63, "9223372036854775808"),
    (10**30, "1" + "0" * 30),
    ((1, (2,)), "[1,[2]]"),
    ({1: "a", 2.5: "b", 3.0: "c"}, '{"1":"a","2.5":"b","3":"c"}'),
    (
        {None: "a", False: "b", Colour.RED: "c", date(2024, 5, 6): "d"},
        '{"null":"a","false":"b","red":"c","2024-05-06":"d"}',
    ),
    ({UUID(int=7): 1}, '{"00000000-0000-0000-0000-000000000007":1}'),
    ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
    (OrderedDict(a=1), '{"a":1}'),
    (Colour.RED, '"red"'),
    (Level.HIGH, "3"),
    (Loud("quiet"), '"quiet"'),
    ({Loud("quiet"): 1}, '{"quiet":1}'),
    (Point(1, 2), "[1,2]"),
    (AT, '"2024-05-06T07:08:09.120Z"'),
    (AT.replace(microsecond=1), '"2024-05-06T07:08:09.000001Z"'),
    (AT.astimezone(timezone(timedelta(hours=5, minutes=30))), '"2024-05-06T07:08:09.120Z"'),
    (date(2024, 5, 6), '"2024-05-06"'),
    (time(7, 8), '"07:08:00"'),
    (UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
    (Decimal("1.50"), '"1.50"'),
    (Order(1, ("a",), Order(2)), '{"id":1,"lines":["a"],"parent":{"id":2,"lines":[],"parent":null}}'),
    (Tagged(order_id=1), '{"kind":"tagged","orderId":1}'),
    (Columns(1, "a"), '[1,"a"]'),
    (Sparse(always=1), '{"always":1}'),
    (Model(orderId=1, at=AT), '{"order_id":1,"at":"2024-05-06T07:08:09.120000Z"}'),
]


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=[ascii(text) for _, text in WRITTEN])
def test_values_are_written_in_their_one_form_and_come_back(value: object, text: str) -> None:
    assert JSON.encode(value, "output") == text
    text.encode()  # what is stored is valid UTF-8, whatever was given
    assert plain(JSON.decode(text), "output") == JSON.decode(text)


def _cycle() -> object:
    inner: list[Any] = []
    inner.append({"again": inner})
    return inner


def _object_cycle() -> object:
    order = Order(1)
    order.parent = order
    return order


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@dataclasses.dataclass
class Unfinished:
    later: int = dataclasses.field(init=False)


async def _coroutine() -> None: ...


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: {"a": [1, math.nan]}, r"output\.a\[1\] is nan"),
    (lambda: [math.inf], r"output\[0\] is inf"),
    (lambda: {"a": {"b": b"x"}}, r"output\.a\.b is a bytes.*base64"),
    (lambda: [bytearray()], r"output\[0\] is a bytearray"),
    (lambda: {"s": {1}}, r"output\.s is a set.*sorted list"),
    (lambda: Order(1, lines=({"x"},)), r"output\.lines\[0\] is a set"),  # type: ignore[arg-type]
    (lambda: datetime(2024, 1, 1), r"output is a naive datetime"),  # noqa: DTZ001 - that is the point
    (lambda: {"at": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))}, r"output\.at leaves the years"),
    (lambda: Decimal("NaN"), r"output is Decimal\('NaN'\)"),
    (lambda: 10**5000, r"output is a number of thousands of digits"),
    (lambda: {10**5000: 1}, r"output key is a number of thousands"),
    (lambda: {(1, 2): 3}, r"output has the key \(1, 2\)"),
    (lambda: {1: "a", "1": "b"}, r"output has two keys that are both '1'"),
    (lambda: {math.nan: 1}, r"output key is nan"),
    (_cycle, r"output\[0\]\.again contains itself"),
    (_object_cycle, r"output\.parent contains itself"),
    (lambda: _nested(601), r"^output is nested more than 600 levels"),
    (lambda: {"deep": _nested(5_000)}, r"^output is nested more than 600 levels"),
    (Unfinished, r"output is incomplete: .*later"),
    (object, r"output is a object"),
    (lambda: (one for one in [1]), r"output is a generator.*make it a list"),
    (lambda: Order, r"output is a type"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_json_cannot_hold_is_refused_with_its_place(make: Callable[[], object], words: str) -> None:
    with pytest.raises(NotJsonSerializable, match=words):
        json_text(make(), "output")


def test_a_coroutine_is_refused_with_the_advice_to_await_it() -> None:
    forgotten = _coroutine()
    with pytest.raises(NotJsonSerializable, match="await it first"):
        json_text({"a": forgotten}, "output")
    forgotten.close()


def test_shared_values_are_no_cycle() -> None:
    shared = [1]
    assert plain([shared, {"a": shared}, Order(1), Order(1)], "output")[:2] == [[1], {"a": [1]}]


def test_six_hundred_levels_are_written_and_read_from_a_deep_stack() -> None:
    def deep(frames: int) -> Any:
        return plain(_nested(600), "input") if frames == 0 else deep(frames - 1)

    room = sys.getrecursionlimit() - 600 - 300
    assert deep(max(0, room)) == _nested(600)


@pytest.mark.parametrize("text", ["", "{", "nul", "NaN", "[Infinity]", '{"a":-Infinity}', "[" * 100_000, "1 2"])
def test_damaged_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        JSON.decode(text)


def test_numbers_are_written_as_the_sample_of_node_has_them() -> None:
    differing = [(number, text) for number, text in sample() if json_text(number, "n") != text]
    assert differing == []
    assert all(float(json_text(number, "n")) == number for number, _ in sample())


@pytest.mark.skipif(NODE is None, reason="node is not installed; the checked-in sample stands for it")
def test_ten_thousand_numbers_are_written_as_node_writes_them() -> None:
    numbers = doubles(10_000, seed=20_240_506)
    assert [json_text(number, "n") for number in numbers] == javascript_texts(numbers)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TEXTS = st.text(st.characters())  # lone surrogates included
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(TEXTS | st.integers(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_read_is_what_plain_says_and_reading_again_changes_nothing(value: object) -> None:
    try:
        text = JSON.encode(value, "output")
    except NotJsonSerializable as error:
        if "two keys" not in str(error):  # such as 1 and "1"
            raise
        return
    text.encode()
    assert JSON.decode(text) == plain(value, "output")
    assert plain(plain(value, "output"), "output") == plain(value, "output")
    assert JSON.encode(plain(value, "output"), "output") == text


@given(st.datetimes(timezones=st.timezones()))
def test_aware_datetimes_keep_their_instant(instant: datetime) -> None:
    try:
        text = plain(instant, "at")
    except NotJsonSerializable:
        with pytest.raises(OverflowError):
            instant.astimezone(UTC)
        return
    assert datetime.fromisoformat(text) == instant.astimezone(UTC)  # across zones, ambiguous times are never equal
