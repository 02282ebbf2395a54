"""What the doors refuse: with a named error that says what to do, and with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from durable_core import (
    ConfigurationError,
    Durable,
    IdentifierTooLong,
    InMemoryStateStore,
    InvalidDuration,
    InvalidIdentifier,
    InvalidInstant,
    InvalidValue,
    NotJsonSerializable,
    RunFailed,
    RunNotFound,
    RunQuery,
    StepNotRegistered,
    StoreError,
    WorkflowContext,
)
from durable_core.testing import FakeRuntime
from durable_peewee import PeeweeStateStore
from durable_world import World
from peewee_databases import open_peewee

LONG = "x" * 192
CYCLE: list[Any] = []
CYCLE.append(CYCLE)


class Thing:
    """An object of the application's own."""


PAYLOADS = [
    pytest.param(datetime(2030, 1, 1), "naive datetime", id="naive datetime"),  # noqa: DTZ001
    pytest.param({"a": [float("nan")]}, r"a\[0\] is nan", id="NaN"),
    pytest.param(float("inf"), "inf", id="infinity"),
    pytest.param(b"x", "base64", id="bytes"),
    pytest.param({"a": {1}}, "sorted list", id="set"),
    pytest.param(Thing(), "is a Thing", id="object"),
    pytest.param(CYCLE, "cycle", id="cycle"),
    pytest.param({"a": (n for n in range(3))}, "make it a list", id="generator"),
    pytest.param({(1, 2): 3}, "keys must be", id="key"),
]
IDENTIFIERS = [
    pytest.param(LONG, IdentifierTooLong, "192 characters", id="too long"),
    pytest.param("a\x00b", InvalidIdentifier, "not every database can store", id="NUL"),
    pytest.param("a ", InvalidIdentifier, "strip it", id="trailing space"),
    pytest.param("", InvalidIdentifier, "must not be empty", id="empty"),
    pytest.param("a\ud800", InvalidIdentifier, "not every database can store", id="surrogate"),
    pytest.param(7, InvalidIdentifier, "must be a str", id="no text"),
]


def world_of_one() -> World:
    """A world with a workflow that takes anything, and one waiting run."""
    world = World()

    @world.durable.workflow()
    def flow(ctx: WorkflowContext, given: Any) -> Any:
        return ctx.wait_for_signal("t")

    world.durable.start(flow, 1, id="waiting")
    world.durable.run_until_idle()
    return world


def refused(world: World, call: Callable[[], object], error: type[Exception], words: str) -> None:
    """*call* raises, says the words, and changes nothing."""
    before = world.rows()
    with pytest.raises(error, match=words):
        call()
    assert world.rows() == before


@pytest.mark.parametrize(("payload", "words"), PAYLOADS)
def test_payloads_that_cannot_be_kept(payload: Any, words: str) -> None:
    world = world_of_one()
    refused(world, lambda: world.durable.start("flow", payload), NotJsonSerializable, words)
    refused(world, lambda: world.durable.signal("t", payload), NotJsonSerializable, words)


@pytest.mark.parametrize(("payload", "words"), PAYLOADS)
def test_arguments_that_cannot_be_kept_are_refused_before_the_step_runs(payload: Any, words: str) -> None:
    world = World()
    ran: list[Any] = []
    step = world.durable.step(name="step")(ran.append)
    world.durable.workflow(name="flow")(lambda ctx: ctx.step(step, payload))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    with pytest.raises(RunFailed, match=words):
        handle.result("1s")
    assert (ran, world.history("r")) == ([], [])


@pytest.mark.parametrize(("identifier", "error", "words"), IDENTIFIERS)
def test_identifiers_that_databases_disagree_on(identifier: Any, error: type[Exception], words: str) -> None:
    world = world_of_one()
    durable = world.durable
    refused(world, lambda: durable.start("flow", 1, id=identifier), error, words)
    refused(world, lambda: durable.signal(identifier), error, words)
    refused(world, lambda: durable.cancel(identifier), error, words)
    refused(world, lambda: durable.get_run(identifier), error, words)
    refused(world, lambda: durable.workflow(name=identifier)(lambda ctx: None), error, words)
    refused(world, lambda: durable.workflow(name="w", version=identifier)(lambda ctx: None), error, words)
    refused(world, lambda: durable.step(name=identifier)(lambda: None), error, words)
    refused(world, lambda: durable.worker_loop(namespace=identifier), error, words)
    refused(world, lambda: Durable(world.store, namespace=identifier), error, words)


@pytest.mark.parametrize(("identifier", "error", "words"), IDENTIFIERS)
def test_a_token_is_refused_where_it_is_waited_for(identifier: Any, error: type[Exception], words: str) -> None:
    world = World()
    world.durable.workflow(name="flow")(lambda ctx: ctx.wait_for_signal(identifier, timeout="1 h"))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()

    with pytest.raises(RunFailed, match=words) as failed:
        handle.result("1s")
    assert failed.value.code == error.__name__
    assert (world.history("r"), world.waiters()) == ([], [])


def test_a_token_that_can_be_sent_can_be_waited_for() -> None:
    world = World()
    longest = "t" * (191 - len("timeout:"))
    world.durable.workflow(name="flow")(lambda ctx: ctx.wait_for_signal(longest, timeout="1 h"))
    handle = world.durable.start("flow")
    world.durable.run_until_idle()
    assert world.durable.signal(longest, 1) is True
    world.durable.run_until_idle()
    assert handle.result("1s") == 1
    refused(world, lambda: world.durable.signal(longest + "t"), IdentifierTooLong, "with its prefix 'timeout:'")


def test_a_function_that_is_no_step() -> None:
    world = World()
    ran: list[int] = []

    def plain() -> None:
        ran.append(1)

    step: Any = plain
    world.durable.workflow(name="flow")(lambda ctx: ctx.step(step))
    handle = world.durable.start("flow", id="r")
    world.durable.run_until_idle()
    with pytest.raises(RunFailed, match=r"test_bad_input:\d+ was given .*put @durable.step above") as failed:
        handle.result("1s")
    assert failed.value.code == StepNotRegistered.__name__
    assert (ran, world.history("r")) == ([], [])


@pytest.mark.parametrize("kind", [FakeRuntime, None], ids=["fake runtime", "threads"])
def test_a_step_that_returns_a_coroutine_under_the_sync_door(kind: Any) -> None:
    async def later() -> int:
        return 1

    def disguised() -> object:
        return later()

    store = InMemoryStateStore()
    durable = Durable(store, runtime=kind() if kind else None)
    step = durable.step(name="step")(disguised)
    durable.workflow(name="flow")(lambda ctx: ctx.step(step))
    handle = durable.start("flow", id="r")
    durable.run_until_idle()
    with pytest.raises(RunFailed, match=r"returned a coroutine.*use AsyncDurable"):
        handle.result("1s")


def test_limits_and_cursors() -> None:
    world = world_of_one()
    refused(world, lambda: world.durable.list_runs(RunQuery(limit=-1)), InvalidValue, "limit must be a whole number")
    refused(world, lambda: world.durable.list_runs(RunQuery(offset=-1)), InvalidValue, "offset must be")
    naive = (datetime(2030, 1, 1), "r")  # noqa: DTZ001
    refused(world, lambda: world.durable.list_runs(RunQuery(before=naive)), InvalidInstant, "naive")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lease": "0 s"}, ConfigurationError, "lease_ms must be more than 0"),
        ({"poll": "-1 s"}, InvalidDuration, "cannot read the duration"),
        ({"poll": 250}, InvalidDuration, "a bare number is ambiguous"),
        ({"max_recovery_attempts": 0}, ConfigurationError, "must be at least 1"),
        ({"leese": "1 s"}, ConfigurationError, "has no option 'leese'; it has .*lease"),
    ],
)
def test_options_of_a_durable(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Durable(InMemoryStateStore(), **options)


def test_a_run_that_is_not_there() -> None:
    world = world_of_one()
    refused(world, lambda: world.durable.get_run("nobody"), RunNotFound, "there is no run 'nobody'")
    refused(world, lambda: world.durable.handle("nobody").result("1s"), RunNotFound, "there is no run 'nobody'")


def test_a_database_that_is_closed_for_good(fresh_database: Any) -> None:
    address = fresh_database("sqlite")
    database = open_peewee(address, autoconnect=False)
    durable = Durable(PeeweeStateStore(database))
    durable.workflow(name="flow")(lambda ctx: "done")
    handle = durable.start("flow")
    assert database.is_closed()
    durable.run_until_idle()
    assert handle.result("5 s") == "done"
    assert database.is_closed()

    gone = Durable(PeeweeStateStore(open_peewee(address).__class__(address.database + "/no/such/file")))
    gone.workflow(name="flow")(lambda ctx: None)
    with pytest.raises(StoreError, match="cannot be reached"):
        gone.start("flow")
