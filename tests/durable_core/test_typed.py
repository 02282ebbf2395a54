from __future__ import annotations

import dataclasses
import enum
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sized
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, Optional, Protocol
from uuid import UUID

import msgspec
import pydantic
import pytest

from durable_core.codec import plain
from durable_core.errors import DamagedHistory, InvalidDefinition, InvalidValue
from durable_core.typed import TypedValue, input_type, return_type

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found]

AT = datetime(2024, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)
OrderId = NewType("OrderId", int)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass(frozen=True)
class Line:
    sku: str
    price: Decimal


@dataclasses.dataclass
class Order:
    id: UUID
    at: datetime
    lines: tuple[Line, ...]
    colour: Colour | None = None
    by_day: dict[date, int] = dataclasses.field(default_factory=dict)


class Paid(msgspec.Struct, tag="paid", tag_field="kind", rename="camel", frozen=True):
    paid_at: datetime


class Refused(msgspec.Struct, tag="refused", tag_field="kind", frozen=True):
    reason: str


class Columns(msgspec.Struct, array_like=True, tag=True):
    x: int
    at: datetime


class Sparse(msgspec.Struct):
    always: int
    sometimes: int | msgspec.UnsetType = msgspec.UNSET


class Receipt(pydantic.BaseModel):
    """Everything that makes a model come back differently from how it left."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    order_id: int = pydantic.Field(alias="orderId")
    paid_at: datetime = pydantic.Field(validation_alias="paidAt", serialization_alias="at")
    tags: set[str] = pydantic.Field(default_factory=set)
    colour: Colour = Colour.RED

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.order_id


class Refusal(pydantic.BaseModel):
    reason: str


class Numbers(pydantic.RootModel[list[int]]):
    pass


RECEIPT = Receipt.model_validate({"orderId": 1, "paidAt": AT, "tags": {"a"}})


@dataclasses.dataclass
class Envelope:
    receipt: Receipt
    refusals: list[Refusal]


ROUND_TRIPS: list[tuple[Any, Any]] = [
    (Order, Order(UUID(int=1), AT, (Line("a", Decimal("1.50")),), Colour.RED, {date(2024, 1, 2): 3})),
    (list[Line], [Line("a", Decimal(1))]),
    (Paid, Paid(AT)),
    (Paid | Refused, Refused("no")),
    (Paid | Refused, Paid(AT)),
    (Columns, Columns(1, AT)),
    (Sparse, Sparse(always=1)),
    (Point, Point(1, 2.0)),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (dict[Colour, Level], {Colour.RED: Level.HIGH}),
    (dict[int, str], {7: "seven"}),
    (dict[UUID, int], {UUID(int=3): 3}),
    (tuple[int, ...], (1, 2)),
    (tuple[str, int], ("a", 2)),
    (Decimal, Decimal("1E+3")),
    (UUID, UUID(int=9)),
    (datetime, AT),
    (date, date(2024, 1, 2)),
    (datetime | None, None),
    (Optional[datetime], AT),  # noqa: UP045 - the older spelling too
    (int | str | None, "x"),
    (float, 2.0),
    (Literal["a", "b"], "b"),
    (OrderId, OrderId(5)),
    (Mapping[str, float], {"a": 1.0}),
    (Receipt, RECEIPT),
    (Receipt | None, None),
    (list[Receipt], [RECEIPT]),
    (Envelope, Envelope(RECEIPT, [Refusal(reason="no")])),
    (Receipt | Refusal, Refusal(reason="no")),
    (Receipt | Refusal, RECEIPT),
    (list[Receipt | int], [RECEIPT, 3]),
    (Numbers, Numbers([1, 2])),
]


@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=[str(kind)[:60] for kind, _ in ROUND_TRIPS])
def test_a_value_comes_back_as_its_type(annotation: Any, value: Any) -> None:
    rebuilt = TypedValue(annotation, "step 'pay' return value").rebuild(plain(value, "output"))
    assert rebuilt == value
    assert type(rebuilt) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [*((one, {"a": [1, None]}) for one in (Any, object, None, dict)), (list, [1]), (str, "a"), (int, 7), (bool, True)],
)
def test_types_of_json_itself_are_left_alone(annotation: Any, value: Any) -> None:
    assert TypedValue(annotation, "x").rebuild(value) is value
    assert TypedValue(annotation, "x").check(value, "it") is value


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (Order, {"id": "no uuid"}, r"Invalid UUID.*\$\.id"),
        (list[Line], [{"sku": "a"}], r"missing required field `price`.*\$\[0\]"),
        (Colour, "blue", "Invalid enum value 'blue'"),
        (float, "1.5", "Expected `float`, got `str`"),
        (Literal["a"], "b", "Invalid enum value"),
        (Receipt, {"order_id": "1", "paid_at": "2024-01-01T00:00:00Z"}, "order_id"),
        (Receipt | Refusal, {"neither": 1}, "reason"),
        (Paid | Refused, {"kind": "lost"}, "Invalid value 'lost'"),
        (int, "7", "it is '7'"),
        (int, 7.5, "it is 7.5"),
        (str, None, "it is None"),
        (bool, 1, "it is 1"),
        (list, {"a": 1}, "it is {'a': 1}"),
        (dict, [1], r"it is \[1\]"),
        (Iterable[int], 5, "5 is no Iterable"),
    ],
)
def test_a_value_that_no_longer_fits_names_the_place_and_the_way_out(annotation: Any, value: Any, words: str) -> None:
    with pytest.raises(DamagedHistory, match=words) as caught:
        TypedValue(annotation, "step 'pay' return value").rebuild(value)
    assert str(caught.value).startswith("step 'pay' return value: ")
    assert "new version" in str(caught.value)
    with pytest.raises(InvalidValue, match=words) as refused:
        TypedValue(annotation, "step 'pay' return value").check(value, "what 'pay' returned")
    assert str(refused.value).startswith("what 'pay' returned does not fit the annotation")


@pytest.mark.parametrize("annotation", [Line | Order, datetime | str, "Line", dict[bytes | str, int]])
def test_a_type_that_cannot_be_told_apart_is_refused_at_once(annotation: Any) -> None:
    with pytest.raises(InvalidDefinition, match=r"step 'pay' return value is annotated .* cannot be rebuilt"):
        TypedValue(annotation, "step 'pay' return value")


def test_hints_come_from_the_function() -> None:
    def step(order: Order, amount) -> Line:  # type: ignore[no-untyped-def]  # noqa: ANN001 - unannotated on purpose
        raise NotImplementedError

    line = {"sku": "a", "price": "2"}
    assert return_type(step, "step 'f'").rebuild(line) == Line("a", Decimal(2))
    assert input_type(step, "amount", "step 'f'").rebuild(line) == line
    with pytest.raises(DamagedHistory, match="step 'f' input 'order'"):
        input_type(step, "order", "step 'f'").rebuild(line)


def test_a_function_without_annotations_keeps_plain_values() -> None:
    def step(order):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - unannotated on purpose
        raise NotImplementedError

    assert return_type(step, "x").rebuild([1]) == [1]


def _unknown() -> Unknown:
    raise NotImplementedError


def _misspelt() -> pydantic.BasModel:  # type: ignore[valid-type]
    raise NotImplementedError


@pytest.mark.parametrize("function", [_unknown, _misspelt])
def test_an_annotation_that_does_not_exist_is_explained(function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidDefinition, match=r"step 'f'.*TYPE_CHECKING"):
        return_type(function, "step 'f'")


@dataclasses.dataclass
class Lazy:
    rows: list[Iterator[int]]
    again: Lazy | None = None


class Quacks(Protocol):
    def quack(self) -> None: ...


class Opaque:
    """A class of the application's own that is no dataclass."""


@pytest.mark.parametrize(
    ("annotation", "named"),
    [
        (Iterator[int], "Iterator"),
        (Generator[int, None, None], "Generator"),
        (Callable[[], int], "Callable"),
        (Awaitable[int], "Awaitable"),
        (complex, "complex"),
        (Quacks, "Quacks"),
        (Opaque, "Opaque"),
        (dict[str, tuple[Opaque, ...]], "Opaque"),
        (Opaque | None, "Opaque"),
        (Lazy, "Iterator"),
    ],
)
def test_a_type_that_json_never_becomes_is_refused_at_once(annotation: Any, named: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"step 'pay' return value is annotated .* rebuilt to {named}:"):
        TypedValue(annotation, "step 'pay' return value")


@pytest.mark.parametrize("annotation", [Iterable[int], Sized, list[Iterable[int]]])
def test_what_a_list_already_is_needs_no_rebuilding(annotation: Any) -> None:
    value = [[1, 2]]
    assert TypedValue(annotation, "x").rebuild(value) == value
