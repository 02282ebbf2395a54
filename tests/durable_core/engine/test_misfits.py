"""A result that does not fit its own annotation is refused before it is saved, for no replay could read it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from durable_core import RunFailed, WorkflowContext
from durable_shop import Shop
from durable_world import World


@dataclass
class Receipt:
    number: int


MISFITS: list[tuple[Any, Any]] = [
    (int, "x"),
    (str, None),
    (list, {"a": 1}),
    (datetime, "tomorrow"),
    (Receipt, {"number": "7"}),
    (Receipt | None, 5),
    (tuple[int, str], (1, 2, 3)),
]


def giving(value: Any, annotation: Any, calls: list[int] | None = None) -> Callable[[], Any]:
    """A function annotated to return *annotation* that returns *value*."""

    def make() -> Any:
        if calls is not None:
            calls.append(1)
        return value

    make.__annotations__["return"] = annotation
    return make


@pytest.mark.parametrize(("annotation", "value"), MISFITS, ids=str)
def test_a_step_fails_at_once_and_is_not_tried_again(annotation: Any, value: Any) -> None:
    world = World()
    ran: list[int] = []
    step = world.durable.step(max_attempts=5)(giving(value, annotation, ran))
    world.durable.workflow(name="flow")(lambda ctx: ctx.step(step))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    (checkpoint,) = world.history("r")
    assert (checkpoint.status, checkpoint.output, ran) == ("failed", None, [1])
    assert checkpoint.error is not None
    assert (checkpoint.error.code, checkpoint.error.retryable) == ("InvalidValue", False)
    with pytest.raises(RunFailed, match="what 'make' returned does not fit the annotation"):
        handle.result("1s")


@pytest.mark.parametrize("operation", ["side_effect", "workflow"])
@pytest.mark.parametrize(("annotation", "value"), MISFITS, ids=str)
def test_so_does_a_captured_value_and_a_workflow(annotation: Any, value: Any, operation: str) -> None:
    world = World()
    make = giving(value, annotation)

    def flow(ctx: WorkflowContext) -> Any:
        return make() if operation == "workflow" else ctx.side_effect(make)

    if operation == "workflow":
        flow.__annotations__["return"] = annotation
    handle = world.durable.start(world.durable.workflow()(flow), id="r")
    world.durable.run_until_idle()

    assert (world.history("r"), world.run("r").output) == ([], None)
    with pytest.raises(RunFailed, match="does not fit the annotation"):
        handle.result("1s")


def test_a_transaction_leaves_no_business_row_behind(shop: Shop) -> None:
    world = World(shop.store)
    name = f"a{random.randrange(10**9)}"
    shop.open_account(name)

    def pay() -> Receipt:
        shop.add(name, 5)
        given: Any = {"number": "seven"}
        return given  # type: ignore[no-any-return]

    world.durable.workflow(name="flow")(lambda ctx: ctx.transaction(pay))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert shop.balance(name) == 0
    assert [one.status for one in world.history("r")] == ["failed"]
    with pytest.raises(RunFailed, match="what 'pay' returned does not fit the annotation"):
        handle.result("1s")


def test_what_fits_after_its_round_trip_fits() -> None:
    world = World()
    seen: list[Any] = []
    fitting = [
        (2.0, int),
        (True, int),
        (1, float),
        ((1, 2), list),
        (Receipt(7), dict),
        (5, None),
        (None, Receipt | None),
    ]
    steps = [world.durable.step(name=f"s{n}")(giving(*one)) for n, one in enumerate(fitting)]
    world.durable.workflow(name="flow")(lambda ctx: seen.extend(ctx.step(step) for step in steps))
    world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    assert seen == [2, True, 1.0, [1, 2], {"number": 7}, 5, None]
