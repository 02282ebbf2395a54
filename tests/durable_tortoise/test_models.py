"""The host sees the durable tables as models of its own, to query, to prefetch and to serialise."""
# mypy: disable-error-code="unused-awaitable"
# An instance of a Tortoise model is awaitable, for no purpose of ours.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tortoise.contrib.pydantic import pydantic_model_creator
from tortoise.exceptions import IncompleteInstanceError, IntegrityError, OperationalError, UnSupportedError
from tortoise.functions import Count
from tortoise.queryset import QuerySet

from backends import BACKENDS, Backends
from database_probe import Probe
from database_servers import BackendAddress
from durable_conformance.plugin import leave_out
from durable_core.errors import InvalidInstant, NotJsonSerializable
from durable_core.records import WorkflowRun
from durable_peewee import ensure_peewee_schema
from durable_sql.stored_json import UnreadableText
from durable_tortoise import TortoiseStateStore
from durable_tortoise.models import (
    DurableBufferedSignal,
    DurableRunAttribute,
    DurableSignalWaiter,
    DurableStepCheckpoint,
    DurableWorkflowRun,
)
from peewee_databases import open_peewee
from tortoise_models import models_on

NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=UTC)

OnTables = Callable[[Callable[[TortoiseStateStore], Awaitable[None]]], None]


@pytest.fixture(scope="module", params=BACKENDS)
def made(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, BackendAddress | None]]:
    """A database with the tables on each backend in turn, for all tests of this module."""
    if backends.why_absent(request.param) is not None:
        yield request.param, None
        return
    address = backends.create(request.param, tmp_path_factory.mktemp("tables"))
    ensure_peewee_schema(open_peewee(address))
    yield request.param, address
    backends.drop(address)


@pytest.fixture
def tables(
    request: pytest.FixtureRequest, backends: Backends, made: tuple[str, BackendAddress | None]
) -> BackendAddress:
    """The database of this test, which is left out and listed where there is none."""
    backend, address = made
    if address is None:
        leave_out(request, backend, str(backends.why_absent(backend)))
    return address


@pytest.fixture
def on_tables(tables: BackendAddress) -> OnTables:
    """Run a coroutine on each backend in turn, with a store, where the tables are empty."""
    with closing(Probe(tables)) as probe:
        probe.empty()

    async def run(work: Callable[[TortoiseStateStore], Awaitable[None]]) -> None:
        async with models_on(tables) as context:
            await work(TortoiseStateStore(context=context))

    return lambda work: asyncio.run(run(work))


async def a_run(id: str = "r", **fields: Any) -> DurableWorkflowRun:
    given = {"workflow": "w", "workflow_version": "1", "status": "pending", "created_at": NOON, "updated_at": NOON}
    return await DurableWorkflowRun.create(id=id, **{**given, **fields})


async def a_step(seq: int, run_id: str = "r", **fields: Any) -> DurableStepCheckpoint:
    given = {"name": "n", "kind": "local", "status": "completed", "attempts": 1, "started_at": NOON}
    given |= {"finished_at": NOON, "step_id": f"{run_id}:{seq}"}
    return await DurableStepCheckpoint.create(run_id=run_id, seq=seq, **{**given, **fields})


async def ids(runs: QuerySet[DurableWorkflowRun]) -> list[str]:
    return [run.id for run in await runs]


def test_what_the_store_writes_the_models_read(on_tables: OnTables) -> None:
    async def work(store: TortoiseStateStore) -> None:
        run = WorkflowRun(
            id="r/ä",
            workflow="checkout",
            workflow_version="1",
            status="failed",
            created_at=NOON,
            updated_at=NOON,
            input={"sku": "Ä-1", "price": 19.99, "none": None},
            output="1",
            wake_at_ms=int((NOON + timedelta(days=1)).timestamp() * 1000),
            tags=("vip",),
            search_attributes={"tier": "pro", "amount": 250.75},
        )
        assert await store.create_run(run)
        await a_step(0, "r/ä", events=[{"at": 0}])
        await a_run("other")

        (row,) = await DurableWorkflowRun.filter(status="failed").prefetch_related("checkpoints", "attributes")

        assert (row.id, row.created_at, row.wake_at) == ("r/ä", NOON, NOON + timedelta(days=1))
        assert row.created_at.tzinfo is UTC
        assert row.input == {"sku": "Ä-1", "price": 19.99, "none": None}
        assert (row.output, row.error, row.tags) == ("1", None, ["vip"])
        assert row.namespace == "default"
        found = {(one.key, one.str_value, one.num_value) for one in row.attributes}
        assert found == {("amount", None, 250.75), ("tier", "pro", None)}
        assert [(one.seq, one.events) for one in row.checkpoints] == [(0, [{"at": 0}])]
        assert [one.seq for one in await row.checkpoints.filter(kind="local")] == [0]

    on_tables(work)


def test_what_the_models_write_the_store_reads(on_tables: OnTables) -> None:
    async def work(store: TortoiseStateStore) -> None:
        await a_run(input=[1, {"a": None}], output="1", wake_at=NOON.astimezone(timezone(timedelta(hours=-3))))
        await DurableSignalWaiter.create(token="t", run_id="r", seq=3)

        read = await store.get_run("r")

        assert read is not None
        assert read.input == [1, {"a": None}]
        assert (read.output, read.error) == ("1", None)
        assert (read.created_at, read.wake_at_ms) == (NOON, int(NOON.timestamp() * 1000))
        assert [waiter.seq for waiter in await store.list_signal_waiters("t")] == [3]

    on_tables(work)


def test_the_host_queries_by_instant_relation_and_count(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        for hours in range(3):
            run = await a_run(f"order:{hours}", created_at=NOON + timedelta(hours=hours))
            for number in range(hours):
                await a_step(number, run.id)
                await DurableRunAttribute.create(run_id=run.id, key=f"k{number}", num_value=number)

        since = (NOON + timedelta(hours=1)).astimezone(timezone(timedelta(hours=5)))
        late = await DurableWorkflowRun.filter(created_at__gte=since).order_by("created_at").values("id", "created_at")
        assert late == [{"id": f"order:{hours}", "created_at": NOON + timedelta(hours=hours)} for hours in (1, 2)]
        assert await DurableWorkflowRun.filter(created_at=NOON).update(wake_at=NOON) == 1
        assert await DurableWorkflowRun.filter(wake_at__range=(NOON, since)).count() == 1
        assert await ids(DurableWorkflowRun.filter(attributes__key="k1")) == ["order:2"]
        counted = DurableWorkflowRun.annotate(steps=Count("checkpoints", distinct=True), keys=Count("attributes"))
        assert await counted.filter(id="order:2").values_list("steps", "keys") == [(2, 4)]

    on_tables(work)


def test_the_models_serve_pydantic(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        await a_run(input={"sku": ["Ä"]}, output="1")
        await a_step(-1, events=[1])
        await DurableRunAttribute.create(run_id="r", key="k", str_value="v")
        read = await pydantic_model_creator(DurableWorkflowRun).from_queryset_single(DurableWorkflowRun.get(id="r"))
        dumped = read.model_dump()
        assert (dumped["input"], dumped["output"], dumped["created_at"]) == ({"sku": ["Ä"]}, "1", NOON)
        assert [(one["seq"], one["events"]) for one in dumped["checkpoints"]] == [(-1, [1])]
        assert dumped["attributes"] == [{"run_id": "r", "key": "k", "str_value": "v", "num_value": None}]

    on_tables(work)


def test_identifiers_are_exact(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        for run_id in ("a", "A", "á"):
            await a_run(run_id)
        assert await ids(DurableWorkflowRun.filter(id="A")) == ["A"]
        assert await ids(DurableWorkflowRun.all().order_by("id")) == ["A", "a", "á"]

    on_tables(work)


def test_a_key_of_two_columns_names_one_row(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        for run_id in ("r", "s"):
            await a_step(-1, run_id)
            await DurableRunAttribute.create(run_id=run_id, key="k", num_value=1)
        with pytest.raises(IntegrityError):
            await a_step(-1)

        ours, theirs = await DurableRunAttribute.all().order_by("run_id")
        assert ours != theirs
        assert len({ours, theirs, await DurableRunAttribute.get(run_id="r")}) == 2
        ours.num_value = 2.5
        await ours.save()
        await ours.save(update_fields=["num_value"])
        assert [one.num_value for one in await DurableRunAttribute.all().order_by("run_id")] == [2.5, 1]
        await theirs.refresh_from_db()
        await DurableRunAttribute.filter(run_id="r").update(num_value=3, str_value="s")
        await ours.refresh_from_db(["num_value"])
        assert (ours.num_value, ours.str_value, theirs.num_value) == (3, None, 1)
        with pytest.raises(UnSupportedError, match="other runs"):
            DurableRunAttribute.bulk_update([ours], ["num_value"])
        (partial,) = await DurableRunAttribute.filter(run_id="r").only("run_id", "key", "num_value")
        assert partial == ours
        partial.num_value = 4
        await partial.save(update_fields=["num_value"])
        with pytest.raises(IncompleteInstanceError, match="in part"):
            await partial.save()
        await ours.refresh_from_db()
        assert (ours.num_value, ours.str_value) == (4, "s")
        await ours.delete()
        assert await DurableRunAttribute.all() == [theirs]
        with pytest.raises(IntegrityError, match="doesn't exist"):
            await ours.save(force_update=True)
        for impossible in (DurableRunAttribute(run_id="r", key="k").delete, DurableRunAttribute().refresh_from_db):
            with pytest.raises(OperationalError, match="unpersisted"):
                await impossible()

        step = await DurableStepCheckpoint.get(run_id="s", seq=-1)
        await DurableStepCheckpoint.filter(pk="s:-1").update(attempts=7)
        await step.refresh_from_db()
        assert step.attempts == 7
        unsaved = DurableRunAttribute()
        unsaved.run_id, unsaved.key = "r", "late"
        await unsaved.save()
        await DurableRunAttribute.bulk_create([DurableRunAttribute(run_id="r", key="bulk")])
        assert await DurableRunAttribute.filter(run_id="r").count() == 2

    on_tables(work)


def test_the_sequence_counts_up(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        ids = [(await DurableBufferedSignal.create(token="t", payload=number)).id for number in range(3)]
        assert ids == sorted(set(ids))

    on_tables(work)


def test_text_that_is_no_json_reads_as_itself_and_warns(on_tables: OnTables, caplog: pytest.LogCaptureFixture) -> None:
    async def work(store: TortoiseStateStore) -> None:
        await a_run()
        await store.session.raw.execute_script("UPDATE durable_workflow_runs SET output = 'sealed:abc'")
        read = (await DurableWorkflowRun.get(id="r")).output
        assert isinstance(read, UnreadableText)
        assert read == "sealed:abc"

    on_tables(work)
    assert "DurableWorkflowRun.output" in caplog.text


def test_values_that_would_lose_something_are_refused(on_tables: OnTables) -> None:
    async def work(_store: TortoiseStateStore) -> None:
        with pytest.raises(InvalidInstant, match="created_at"):
            await a_run(created_at=NOON.replace(tzinfo=None))
        with pytest.raises(NotJsonSerializable, match="input"):
            await a_run(input={1, 2})
        assert await DurableWorkflowRun.all().count() == 0

    on_tables(work)
