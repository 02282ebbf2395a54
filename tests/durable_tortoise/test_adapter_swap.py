"""What Peewee's adapter began Tortoise's goes on with, and the reverse: they write the same rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from backends import FreshDatabase
from database_probe import Probe
from database_servers import BackendAddress
from durable_core import AsyncDurable, AsyncWorkflowContext, Durable, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.records import BufferedEvent, SignalWaiter, StepCheckpoint, StepError, WorkflowRun
from durable_core.store import StateStore
from durable_peewee import PeeweeStateStore
from durable_sql.schema.tables import TABLES
from durable_tortoise import TortoiseStateStore
from peewee_databases import open_peewee
from tortoise_databases import open_tortoise
from tortoise_models import DRIVER_OF

NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
FULL_RUN = WorkflowRun(
    id="r/ä 'q'",
    workflow="checkout",
    workflow_version="1",
    status="suspended",
    input={"sku": "Ä-1 😀", "price": 19.99, "none": None, "at": "2026-03-04T12:00:00.123Z"},
    output=[1, 1e21, True],
    error=StepError(message="nö", stack="at 1"),
    wake_at_ms=NOON_MS + 1,
    locked_by="w:1",
    locked_until_ms=NOON_MS + 2,
    recovery_attempts=2,
    tags=("vip", "späť"),
    search_attributes={"tier": "pro", "amount": 250.75, "big": True},
    priority=-3,
    namespace="shop",
    origin="api",
    created_at=NOON,
    updated_at=NOON,
)
A_STEP = StepCheckpoint(
    run_id=FULL_RUN.id,
    seq=-1,
    name="undo",
    kind="local",
    step_id=f"{FULL_RUN.id}:-1",
    status="completed",
    attempts=3,
    input={"a": [None]},
    output="1",
    events=[{"at": 1}],
    enqueued_at=NOON,
    started_at=NOON,
    finished_at=NOON,
)


def rows(address: BackendAddress) -> dict[str, Sequence[Any]]:
    """Every row of every table, as the database has it."""
    names = {table.name: ", ".join(f'"{name}"' for name in table.column_names) for table in TABLES}
    if address.backend == "mariadb":
        names = {table: columns.replace('"', "`") for table, columns in names.items()}
    with closing(Probe(address)) as probe:
        found = {table: probe.execute(f"SELECT {columns} FROM {table}") for table, columns in names.items()}
    return {table: sorted(map(tuple, members), key=repr) for table, members in found.items()}


async def write_one_of_each(store: StateStore) -> None:
    await store.ensure_schema()
    assert await store.create_run(FULL_RUN)
    await store.save_checkpoint(A_STEP)
    await store.put_signal_waiter(SignalWaiter(token="t", run_id=FULL_RUN.id, seq=4, parallel_group="g"))
    await store.buffer_signal("early", {"ok": True})
    await store.buffer_signal("early", None)
    await store.buffer_event(BufferedEvent(id="e", name="paid", payload=[1.5], published_at_ms=NOON_MS))


async def read_everything(store: StateStore) -> list[Any]:
    runs = [await store.get_run(run_id) for run_id in ("order", FULL_RUN.id)]
    steps = [await store.list_checkpoints(run.id) for run in runs if run is not None]
    waiters = await store.list_signal_waiters("")
    return [runs, steps, waiters, await store.list_buffered_events("paid", 10)]


class ByPeewee:
    """The application on Peewee."""

    def __init__(self, address: BackendAddress) -> None:
        self._database = open_peewee(address)

    def write_one_of_each(self) -> None:
        with self._database.connection_context():
            run_blocking(write_one_of_each(PeeweeStateStore(self._database)))

    def read_everything(self) -> list[Any]:
        with self._database.connection_context():
            return run_blocking(read_everything(PeeweeStateStore(self._database)))

    def begin(self) -> None:
        with self._database.connection_context():
            durable = self._durable()
            durable.boot()
            durable.start("checkout", {"sku": "Ä"}, id="order", search_attributes={"tier": "pro"})
            durable.run_until_idle()

    def go_on(self) -> Any:
        with self._database.connection_context():
            durable = self._durable()
            durable.signal("approval:order", {"by": "me"})
            durable.run_until_idle()
            return durable.handle("order").result()

    def _durable(self) -> Durable:
        durable = Durable(PeeweeStateStore(self._database))

        @durable.step
        def charge(sku: str) -> str:
            return f"peewee charged {sku}"

        @durable.workflow(name="checkout")
        def checkout(ctx: WorkflowContext, order: dict[str, str]) -> list[Any]:
            first = ctx.step(charge, order["sku"])
            answer = ctx.wait_for_signal("approval:order", timeout="7 days")
            return [first, answer, ctx.step(charge, "again")]

        return durable


class ByTortoise:
    """The same application on Tortoise."""

    def __init__(self, address: BackendAddress) -> None:
        self._address = address

    def write_one_of_each(self) -> None:
        asyncio.run(self._with_store(write_one_of_each))

    def read_everything(self) -> list[Any]:
        everything: list[Any] = asyncio.run(self._with_store(read_everything))
        return everything

    def begin(self) -> None:
        async def begin(store: StateStore) -> None:
            durable = self._durable(store)
            await durable.boot()
            await durable.start("checkout", {"sku": "Ä"}, id="order", search_attributes={"tier": "pro"})
            await durable.run_until_idle()

        asyncio.run(self._with_store(begin))

    def go_on(self) -> Any:
        async def go_on(store: StateStore) -> Any:
            durable = self._durable(store)
            await durable.signal("approval:order", {"by": "me"})
            await durable.run_until_idle()
            return await durable.handle("order").result()

        return asyncio.run(self._with_store(go_on))

    async def _with_store(self, work: Any) -> Any:
        async with await open_tortoise(self._address, DRIVER_OF[self._address.backend]) as context:
            return await work(TortoiseStateStore(context=context))

    def _durable(self, store: StateStore) -> AsyncDurable:
        durable = AsyncDurable(store)

        @durable.step
        async def charge(sku: str) -> str:
            return f"tortoise charged {sku}"

        @durable.workflow(name="checkout")
        async def checkout(ctx: AsyncWorkflowContext, order: dict[str, str]) -> list[Any]:
            first = await ctx.step(charge, order["sku"])
            answer = await ctx.wait_for_signal("approval:order", timeout="7 days")
            return [first, answer, await ctx.step(charge, "again")]

        return durable


def test_both_write_the_same_rows(backend: str, fresh_database: FreshDatabase) -> None:
    places = fresh_database(backend), fresh_database(backend)
    ByPeewee(places[0]).write_one_of_each()
    ByTortoise(places[1]).write_one_of_each()
    written = rows(places[0])
    assert all(written.values())
    assert rows(places[1]) == written


@pytest.mark.parametrize(("first", "second"), [(ByPeewee, ByTortoise), (ByTortoise, ByPeewee)])
def test_a_run_half_done_goes_on_under_the_other(any_database: BackendAddress, first: Any, second: Any) -> None:
    mine, theirs = first(any_database), second(any_database)
    mine.begin()
    mine.write_one_of_each()
    before = rows(any_database)
    assert theirs.read_everything() == mine.read_everything()
    assert rows(any_database) == before

    names = ("peewee", "tortoise") if first is ByPeewee else ("tortoise", "peewee")
    assert theirs.go_on() == [f"{names[0]} charged Ä", {"by": "me"}, f"{names[1]} charged again"]

    everything = mine.read_everything()
    assert everything == theirs.read_everything()
    assert everything[0][0].status == "completed"
    after = rows(any_database)
    # What was done stays as it was written, and so does all that is another run's, to the last byte.
    assert set(after["durable_step_checkpoints"]) > set(before["durable_step_checkpoints"])
    assert len(set(after["durable_workflow_runs"]) & set(before["durable_workflow_runs"])) == 1
    assert set(after["durable_run_attributes"]) == set(before["durable_run_attributes"])
