"""Finished steps return what they saved; what a step returns first is what a replay returns."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from durable_core import WorkflowContext
from durable_world import World


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Part:
    name: str
    weight: float = 1.0


@dataclass
class Parcel:
    id: UUID
    parts: tuple[Part, ...]
    sent: datetime
    price: Decimal
    colour: Colour
    notes: dict[int, str] = field(default_factory=dict)


class Label(msgspec.Struct):
    text: str


PARCEL = Parcel(
    id=UUID("12345678-1234-5678-1234-567812345678"),
    parts=(Part("a"), Part("b", 2.0)),
    sent=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    price=Decimal("1.10"),
    colour=Colour.RED,
    notes={7: "seven"},
)


def test_a_finished_step_is_not_run_again() -> None:
    world = World()
    ran: list[str] = []

    @world.durable.step
    def first() -> str:
        ran.append("first")
        return "one"

    @world.durable.step
    def second(before: str) -> str:
        ran.append("second")
        return before + " two"

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> str:
        one = ctx.step(first)
        ctx.sleep("1 h")
        two = ctx.step(second, one)
        ctx.sleep("1 h")
        return two

    handle = world.durable.start(flow, id="r")
    for _ in range(3):
        world.durable.run_until_idle()
        world.runtime.advance("1 h")

    assert handle.result("1s") == "one two"
    assert ran == ["first", "second"]
    assert world.names("r") == [(0, "first"), (1, "sleep"), (2, "second"), (3, "sleep")]


def seen_on_both_sides(value: Any, kind: Any) -> tuple[Any, Any]:
    """What a step annotated `kind` gives the body when it has just returned *value*, and what a replay gives it."""
    world = World()
    seen: list[Any] = []

    def make() -> Any:
        return value

    make.__annotations__["return"] = kind
    step = world.durable.step(make)

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        seen.append(ctx.step(step))
        ctx.sleep("1 h")

    world.durable.start(flow)
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()
    first, replayed = seen
    return first, replayed


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (PARCEL, Parcel),
        (Label("x"), Label),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime),
        (date(2026, 1, 2), date),
        ((1, "a"), tuple[int, str]),
        ([Part("a")], list[Part]),
        ({"a": Part("a")}, dict[str, Part]),
        ({3: 4}, dict[int, int]),
        (Colour.RED, Colour),
        (Decimal("3.50"), Decimal),
        (PARCEL.id, UUID),
        (None, Part | None),
        (2.0, float),
        ("text", str),
        (None, None),
    ],
    ids=lambda one: str(one)[:30],
)
def test_a_result_comes_back_as_its_annotation_says(value: Any, kind: Any) -> None:
    first, replayed = seen_on_both_sides(value, kind)

    assert first == value
    assert replayed == value
    assert type(first) is type(replayed) is type(value)


@pytest.mark.parametrize(
    ("value", "seen"),
    [((1, 2), [1, 2]), ({1: "a"}, {"1": "a"}), (Part("a", 3.5), {"name": "a", "weight": 3.5}), (2.0, 2)],
    ids=["tuple", "int keys", "dataclass", "integral float"],
)
def test_without_an_annotation_the_first_result_is_plain_already(value: Any, seen: Any) -> None:
    first, replayed = seen_on_both_sides(value, Any)

    assert first == replayed == seen
    assert type(first) is type(replayed) is type(seen)


def test_changing_a_result_in_the_body_does_not_change_history() -> None:
    world = World()
    seen: list[list[int]] = []

    @world.durable.step
    def numbers() -> list[int]:
        return [1]

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        got = ctx.step(numbers)
        seen.append(list(got))
        got.append(2)
        ctx.sleep("1 h")

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()
    world.runtime.advance("1 h")
    world.durable.run_until_idle()

    assert seen == [[1], [1]]


def test_the_input_comes_to_the_body_as_it_is_annotated() -> None:
    world = World()
    seen: list[Parcel] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, parcel: Parcel) -> Part:
        seen.append(parcel)
        return parcel.parts[1]

    handle = world.durable.start(flow, PARCEL)
    world.durable.run_until_idle()

    assert seen == [PARCEL]
    assert handle.result("1s") == Part("b", 2.0)


def test_an_input_that_was_not_given_leaves_the_default() -> None:
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, count: int = 3) -> int:
        return count

    handle = world.durable.start("flow")
    world.durable.run_until_idle()

    assert handle.result("1s") == 3


def test_an_input_of_none_is_given_where_there_is_no_default() -> None:
    world = World()
    seen: list[Part | None] = []

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, part: Part | None) -> None:
        seen.append(part)

    world.durable.start(flow, None, id="r")
    world.durable.run_until_idle()

    assert (world.run("r").status, seen) == ("completed", [None])


def test_what_a_position_records() -> None:
    world = World()

    @world.durable.step
    def add(left: int, right: int) -> int:
        return left + right

    @world.durable.workflow()
    def flow(ctx: WorkflowContext) -> None:
        ctx.step(add, 1, 2)
        ctx.step(add, left=1, right=2)

    world.durable.start(flow, id="r")
    world.durable.run_until_idle()

    positional, named = world.history("r")
    assert (positional.step_id, positional.kind, positional.status) == ("r:0", "local", "completed")
    assert (positional.attempts, positional.input, positional.output) == (1, [1, 2], 3)
    assert named.input == {"args": [], "kwargs": {"left": 1, "right": 2}}
