"""A pydantic secret prints as stars, and so it would be stored and never come back: it is refused by its place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pydantic
import pytest
from pydantic import Secret, SecretBytes, SecretStr

from durable_core import RunFailed
from durable_core.codec import plain
from durable_core.errors import NotJsonSerializable
from durable_world import World


class Card(pydantic.BaseModel):
    number: SecretStr


class Wallet(pydantic.BaseModel):
    owner: str = "Ada"
    cards: list[Card] = []
    pins: dict[str, Secret[int]] = {}
    keys: tuple[SecretBytes, ...] = ()
    anything: Any = None


class Shown(pydantic.BaseModel):
    number: SecretStr

    @pydantic.field_serializer("number", when_used="json")
    def reveal(self, number: SecretStr) -> str:
        return number.get_secret_value()


class Sealed(pydantic.BaseModel):
    number: SecretStr

    @pydantic.model_serializer(mode="plain", when_used="json")
    def seal(self) -> str:
        return "sealed"


class Numbers(pydantic.RootModel[list[SecretStr]]):
    pass


@dataclasses.dataclass
class Order:
    card: Card


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Card(number=SecretStr("4711")), r"input\.number is a SecretStr"),
        (Wallet(cards=[Card(number=SecretStr("4711"))]), r"input\.cards\[0\]\.number is a SecretStr"),
        (Wallet(pins={"home": Secret[int](4711)}), r"input\.pins\.home is a Secret"),
        (Wallet(keys=(SecretBytes(b""), SecretBytes(b"k"))), r"input\.keys\[1\] is a SecretBytes"),
        (Wallet(anything={"a": [SecretStr("4711")]}), r"input\.anything\.a\[0\] is a SecretStr"),
        (Numbers([SecretStr("4711")]), r"input\[0\] is a SecretStr"),
        ([Order(Card(number=SecretStr("4711")))], r"input\[0\]\.card\.number is a SecretStr"),
        (SecretStr("4711"), "input is a SecretStr"),
    ],
)
def test_a_secret_is_refused_by_its_place_and_not_told(value: Any, place: str) -> None:
    with pytest.raises(NotJsonSerializable, match=place) as refused:
        plain(value, "input")
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Card(number=SecretStr("")), {"number": ""}),
        (Shown(number=SecretStr("4711")), {"number": "4711"}),
        (Sealed(number=SecretStr("4711")), "sealed"),
        (Wallet(), {"owner": "Ada", "cards": [], "pins": {}, "keys": [], "anything": None}),
        (Wallet(anything="**********"), {"owner": "Ada", "cards": [], "pins": {}, "keys": [], "anything": "*" * 10}),
    ],
)
def test_what_is_not_lost_is_stored(value: Any, written: Any) -> None:
    assert plain(value, "input") == written


def test_a_step_that_returns_a_secret_fails_with_nothing_saved_of_it() -> None:
    world = World()
    step = world.durable.step(name="card")(lambda: Card(number=SecretStr("4711")))
    world.durable.workflow(name="flow")(lambda ctx: ctx.step(step))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert world.history("r")[0].output is None
    with pytest.raises(RunFailed, match=r"what 'card' returned\.number is a SecretStr"):
        handle.result("1s")
