"""The host sees the durable tables as models of its own database, laid out exactly as our DDL lays them out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import peewee
import pytest

from backends import FreshDatabase
from catalogues import catalogue
from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError, InvalidInstant, NotJsonSerializable
from durable_core.records import WorkflowRun
from durable_peewee import PeeweeStateStore, define_models
from durable_peewee.fields import KeyField
from durable_peewee.models import DurableModels, DurableWorkflowRun
from durable_peewee.schema import ensure_peewee_schema
from durable_sql.schema.tables import TABLES, Kind
from durable_sql.stored_json import UnreadableText
from peewee_databases import open_peewee

NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=UTC)
FIELDS: dict[Kind, str] = {
    Kind.KEY: "KeyField",
    Kind.JSON: "JsonField",
    Kind.INSTANT: "InstantField",
    Kind.INTEGER: "WholeField",
    Kind.NUMBER: "DoubleField",
    Kind.SEQUENCE: "SequenceField",
}


@pytest.fixture
def database(any_database: BackendAddress) -> Iterator[peewee.Database]:
    opened = open_peewee(any_database)
    with opened.connection_context():
        yield opened


@pytest.fixture
def models(database: peewee.Database) -> DurableModels:
    ensure_peewee_schema(database)
    return define_models(database)


def by_table(models: DurableModels) -> dict[str, type[peewee.Model]]:
    each = [getattr(models, field.name) for field in dataclasses.fields(models)]
    return {model._meta.table_name: model for model in each}


def a_run(models: DurableModels, id: str = "r", **fields: Any) -> DurableWorkflowRun:
    given = {"workflow": "w", "workflow_version": "1", "status": "pending", "created_at": NOON, "updated_at": NOON}
    return models.DurableWorkflowRun.create(id=id, **{**given, **fields})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_key_and_index_is_the_declared_one(table: Any) -> None:
    model = by_table(define_models(peewee.SqliteDatabase("never_opened.db")))[table.name]
    fields = {field.column_name: field for field in model._meta.sorted_fields}
    assert set(fields) == set(table.column_names)
    for column in table.columns:
        field = fields[column.name]
        assert field.name == column.name
        assert type(field).__name__ == FIELDS[column.kind], column.name
        assert field.null == column.nullable, column.name
        assert field.default == column.default, column.name
    key: Any = model._meta.primary_key
    assert (key.field_names if isinstance(key, peewee.CompositeKey) else (key.name,)) == table.primary_key
    assert {one._name for one in model._meta.indexes} == {index.name for index in table.indexes}


def test_peewee_s_own_ddl_makes_our_very_tables(backend: str, fresh_database: FreshDatabase) -> None:
    made = []
    for by_peewee in (True, False):
        database = open_peewee(fresh_database(backend))
        with database.connection_context():
            if by_peewee:
                database.create_tables(by_table(define_models(database)).values())
            else:
                ensure_peewee_schema(database)
            made.append(_columns(database) if backend == "sqlite" else _catalogue(database))
            ensure_peewee_schema(database)
    assert made[0] == made[1]


def _catalogue(database: peewee.Database) -> set[tuple[Any, ...]]:
    rows = catalogue(database, without=["durable_schema_meta"])
    # MySQL's default for columns that name no collation: each of ours names one.
    return {row for row in rows if row[1] != "table"}


def _columns(database: peewee.Database) -> set[tuple[Any, ...]]:
    # SQLite keeps each statement's spelling, so what it understood is compared instead.
    tables = [table.name for table in TABLES]
    found: set[tuple[Any, ...]] = {
        (table, *row)
        for table in tables
        for pragma in ("table_xinfo", "index_list")
        for row in database.execute_sql(f"SELECT * FROM pragma_{pragma}('{table}')").fetchall()
        if not str(row[1]).startswith("sqlite_autoindex")
    }
    counting = database.execute_sql("SELECT tbl_name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'").fetchall()
    # Columns by name, not by position: Peewee puts keys first.
    return {(row[0], *row[2:]) for row in found} | {tuple(row) for row in counting}


def test_what_the_store_writes_the_models_read(database: peewee.Database, models: DurableModels) -> None:
    store = PeeweeStateStore(database)
    wake = int((NOON + timedelta(days=1)).timestamp() * 1000)
    run = WorkflowRun(
        id="r/ä",
        workflow="checkout",
        workflow_version="1",
        status="pending",
        created_at=NOON,
        updated_at=NOON,
        input={"sku": "Ä-1", "price": 19.99, "none": None},
        output="text",
        wake_at_ms=wake,
        tags=("vip",),
        search_attributes={"tier": "pro", "amount": 250.75},
    )
    assert run_blocking(store.create_run(run))

    row = models.DurableWorkflowRun.get_by_id("r/ä")
    assert (row.created_at, row.wake_at) == (NOON, NOON + timedelta(days=1))
    assert row.created_at.tzinfo is UTC
    assert row.input == {"sku": "Ä-1", "price": 19.99, "none": None}
    assert (row.output, row.error, row.tags) == ("text", None, ["vip"])
    assert row.namespace == "default"
    attributes = models.DurableRunAttribute.select().order_by(models.DurableRunAttribute.key).tuples()
    assert list(attributes) == [("r/ä", "amount", None, 250.75), ("r/ä", "tier", "pro", None)]


def test_what_the_models_write_the_store_reads(database: peewee.Database, models: DurableModels) -> None:
    a_run(models, input=[1, {"a": None}], wake_at=NOON.astimezone(timezone(timedelta(hours=-3))))

    read = run_blocking(PeeweeStateStore(database).get_run("r"))

    assert read is not None
    assert read.input == [1, {"a": None}]
    assert read.output is None
    assert (read.created_at, read.wake_at_ms) == (NOON, int(NOON.timestamp() * 1000))


def test_the_host_queries_by_instant_and_joins_its_own_tables(database: peewee.Database, models: DurableModels) -> None:
    class Order(peewee.Model):
        run_id = KeyField(null=True)

        class Meta:
            database = None
            table_name = "orders"

    Order.bind(database)
    Order.create_table()
    run = models.DurableWorkflowRun
    for hours in range(3):
        a_run(models, f"order:{hours}", created_at=NOON + timedelta(hours=hours))
        Order.create(run_id=f"order:{hours}")

    since = (NOON + timedelta(hours=1)).astimezone(timezone(timedelta(hours=5)))
    found = (
        Order.select(Order.run_id, run.created_at).join(run, on=(Order.run_id == run.id)).where(run.created_at >= since)
    )
    rows = list(found.order_by(run.created_at).tuples())

    assert rows == [(f"order:{hours}", NOON + timedelta(hours=hours)) for hours in (1, 2)]
    assert run.update(wake_at=None).where(run.created_at == NOON).execute() in (0, 1)
    assert run.select().where(run.created_at.between(NOON, NOON + timedelta(minutes=1))).count() == 1


def test_identifiers_are_exact(models: DurableModels) -> None:
    for run_id in ("a", "A", "á"):
        a_run(models, run_id)
    assert [row.id for row in models.DurableWorkflowRun.select().where(models.DurableWorkflowRun.id == "A")] == ["A"]
    ids = models.DurableWorkflowRun.select().order_by(models.DurableWorkflowRun.id)
    assert [row.id for row in ids] == ["A", "a", "á"]


def test_composite_keys_and_negative_positions(models: DurableModels) -> None:
    step = {"name": "n", "kind": "local", "status": "completed", "attempts": 1, "started_at": NOON, "finished_at": NOON}
    for seq in (-1, 0):
        models.DurableStepCheckpoint.create(run_id="r", seq=seq, step_id=f"r:{seq}", events=[{"at": seq}], **step)
    assert models.DurableStepCheckpoint.get_by_id(("r", -1)).events == [{"at": -1}]
    with pytest.raises(peewee.IntegrityError):
        models.DurableStepCheckpoint.create(run_id="r", seq=-1, step_id="r:-1", **step)


def test_the_sequence_counts_up(models: DurableModels) -> None:
    ids = [models.DurableBufferedSignal.create(token="t", payload=number).id for number in range(3)]
    assert ids == sorted(set(ids))


def test_text_that_is_no_json_reads_as_itself_and_warns(
    database: peewee.Database, models: DurableModels, caplog: pytest.LogCaptureFixture
) -> None:
    a_run(models)
    database.execute_sql("UPDATE durable_workflow_runs SET output = 'sealed:abc'")
    read = models.DurableWorkflowRun.get_by_id("r").output
    assert isinstance(read, UnreadableText)
    assert read == "sealed:abc"
    assert "DurableWorkflowRun.output" in caplog.text


def test_values_that_would_lose_something_are_refused(models: DurableModels) -> None:
    with pytest.raises(InvalidInstant, match="created_at"):
        a_run(models, created_at=NOON.replace(tzinfo=None))
    with pytest.raises(NotJsonSerializable, match="input"):
        a_run(models, input={1, 2})
    assert models.DurableWorkflowRun.select().count() == 0


def test_two_databases_share_no_class(fresh_database: FreshDatabase) -> None:
    first, second = (open_peewee(fresh_database("sqlite")) for _ in range(2))
    ours, theirs = define_models(first), define_models(second)
    for database in (first, second):
        ensure_peewee_schema(database)
    with first.connection_context(), second.connection_context():
        a_run(ours, "only in the first")
        assert theirs.DurableWorkflowRun.select().count() == 0
        assert ours.DurableWorkflowRun.select().count() == 1
    assert not set(by_table(ours).values()) & set(by_table(theirs).values())
    assert len(ours.DurableWorkflowRun._meta.indexes) == len(theirs.DurableWorkflowRun._meta.indexes) == 5


def test_a_proxy_may_be_given_before_it_stands_for_anything(fresh_database: FreshDatabase) -> None:
    proxy = peewee.DatabaseProxy()
    models = define_models(proxy)
    with pytest.raises(ConfigurationError, match="initialize"):
        ensure_peewee_schema(proxy)
    database = open_peewee(fresh_database("sqlite"))
    proxy.initialize(database)
    with database.connection_context():
        ensure_peewee_schema(proxy)
        a_run(models)
        assert models.DurableWorkflowRun.get().created_at == NOON


def test_the_unbound_class_finds_no_database() -> None:
    with pytest.raises(AttributeError, match="uninitialized Proxy"):
        DurableWorkflowRun.select().count()
