"""A start is idempotent by its id, refuses before a row exists, and joins the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from durable_core import (
    ConfigurationError,
    IdentifierTooLong,
    InvalidValue,
    RunAlreadyExists,
    WorkflowContext,
    WorkflowNotRegistered,
)
from durable_world import World


@dataclass
class Order:
    id: int


def shop(world: World, version: str = "1") -> None:
    """Register two workflows."""

    @world.durable.workflow(version=version, tags=["shop"])
    def checkout(ctx: WorkflowContext, order: Order) -> int:
        return order.id

    @world.durable.workflow(name="other")
    def other(ctx: WorkflowContext) -> str:
        return "other"


def test_a_start_writes_one_pending_row() -> None:
    world = World(namespace="ns")
    shop(world)
    handle = world.durable.start(
        "checkout", Order(7), id="o:7", tags=["vip", "shop"], search_attributes={"total": 3.5}, priority=2
    )

    run = handle.get()
    assert (run.id, run.workflow, run.workflow_version, run.status) == ("o:7", "checkout", "1", "pending")
    assert (run.input, run.tags, run.search_attributes, run.priority) == (
        {"id": 7}, ("shop", "vip"), {"total": 3.5}, 2,
    )  # fmt: skip
    assert (run.namespace, run.locked_by, run.created_at) == ("ns", None, run.updated_at)


def test_a_second_start_finds_the_first() -> None:
    world = World()
    shop(world)
    world.durable.start("checkout", Order(7), id="o:7")
    before = world.rows()
    again = world.durable.start("checkout", Order(8), id="o:7")
    assert world.rows() == before

    world.durable.run_until_idle()
    before = world.rows()
    assert world.durable.start("checkout", Order(7), id="o:7").result("1s") == 7
    assert again.result("1s") == 7
    assert world.rows() == before


def test_without_an_id_every_start_is_a_run_of_its_own() -> None:
    world = World()
    shop(world)
    assert world.durable.start("other").id != world.durable.start("other").id


def test_an_id_of_another_workflow_is_refused() -> None:
    world = World()
    shop(world)
    world.durable.start("other", id="o:7")
    with pytest.raises(RunAlreadyExists, match=r"belongs to a run of workflow 'other', not 'checkout'.*'checkout:o:7'"):
        world.durable.start("checkout", Order(7), id="o:7")


def test_an_id_of_another_namespace_is_refused() -> None:
    world = World(namespace="theirs")
    shop(world)
    world.durable.start("other", id="o:7")
    ours = World(world.store, namespace="ours")
    shop(ours)
    with pytest.raises(RunAlreadyExists, match="belongs to a run of namespace 'theirs', not 'ours'"):
        ours.durable.start("other", id="o:7")


def test_an_existing_runs_result_is_read_as_its_own_version_wrote_it() -> None:
    world = World()

    @world.durable.workflow(name="checkout", version="1")
    def old(ctx: WorkflowContext) -> Order:
        return Order(1)

    world.durable.start("checkout", id="r")
    world.durable.run_until_idle()

    @world.durable.workflow(name="checkout", version="2")
    def new(ctx: WorkflowContext) -> list[int]:
        return [2]

    assert world.durable.start("checkout", id="r").result("1s") == Order(1)


def test_an_existing_run_of_a_version_that_is_gone_is_found_all_the_same() -> None:
    world = World()
    world.durable.workflow(name="checkout", version="1")(lambda ctx: 7)
    world.durable.start("checkout", id="r")
    world.durable.run_until_idle()

    deployed = world.process()
    deployed.workflow(name="checkout", version="2")(lambda ctx: 8)
    before = world.rows()
    assert deployed.start("checkout", id="r").result("1s") == 7
    assert world.rows() == before


@pytest.mark.parametrize(
    ("versions", "newest"),
    [(["9", "10"], "10"), (["1.9", "1.10", "1.2"], "1.10"), (["1", "1.0.1"], "1.0.1"), (["9", "beta"], "beta")],
)
def test_the_newest_version_is_started(versions: list[str], newest: str) -> None:
    world = World()
    for version in versions:
        world.durable.workflow(name="flow", version=version)(lambda ctx: None)

    assert world.durable.start("flow").get().workflow_version == newest
    assert world.durable.start("flow", version=versions[0]).get().workflow_version == versions[0]


def test_a_workflow_given_itself_is_started_in_its_own_version() -> None:
    world = World()
    first = world.durable.workflow(name="flow", version="1")(lambda ctx: None)
    world.durable.workflow(name="flow", version="2")(lambda ctx: None)

    assert world.durable.start(first).get().workflow_version == "1"
    options: Any = {"version": "2"}
    assert world.durable.start(first, **options).get().workflow_version == "2"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("chekout",), {}, WorkflowNotRegistered, r"no workflow 'chekout'.*known: 'checkout', 'other'"),
        (("checkout", {"id": 1}), {"version": "2"}, WorkflowNotRegistered, r"version '2' \(known: '1'\)"),
        ((print,), {}, WorkflowNotRegistered, r"put @durable.workflow\(\) above"),
        ((None,), {}, WorkflowNotRegistered, "no registered workflow"),
        (("checkout", {"ident": 1}), {}, InvalidValue, "cannot read this input"),
        (("checkout",), {}, InvalidValue, "cannot read this input"),
        (("other", 5), {}, InvalidValue, "takes no input"),
        (("other",), {"tags": "vip"}, InvalidValue, r"write \['vip'\]"),
        (("other",), {"tag": ["vip"]}, ConfigurationError, "has no option 'tag'"),
        (("other",), {"priority": "high"}, InvalidValue, "priority"),
        (("other",), {"search_attributes": {"a": [1]}}, InvalidValue, "search attribute 'a'"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_a_row_exists(
    arguments: Any, options: Any, error: type[Exception], words: str
) -> None:
    world = World()
    shop(world)
    before = world.rows()
    with pytest.raises(error, match=words):
        world.durable.start(*arguments, **options)
    assert world.rows() == before


def test_a_start_that_is_rolled_back_never_happened() -> None:
    world = World()
    shop(world)
    with pytest.raises(LookupError), world.store.atomic():
        world.durable.start("other", id="r")
        assert world.run("r").status == "pending"
        raise LookupError
    assert world.durable.list_runs() == []
    assert world.durable.run_until_idle() == 0


def test_an_id_leaves_room_for_the_positions_of_its_steps() -> None:
    world = World()
    shop(world)
    world.durable.start("checkout", {"id": 1}, id="x" * 185)
    with pytest.raises(IdentifierTooLong, match="position of a step"):
        world.durable.start("checkout", {"id": 1}, id="x" * 186)
    assert len(world.durable.list_runs()) == 1
