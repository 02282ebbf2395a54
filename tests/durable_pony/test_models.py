"""The host sees the durable tables as entities of its own database, on exactly the tables that our DDL makes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pony.orm import Database, PrimaryKey, Required, count, db_session, flush, select

from backends import FreshDatabase
from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError, InvalidInstant
from durable_core.records import RunPatch, SignalWaiter, WorkflowRun
from durable_pony import DurableEntities, PonyStateStore, define_entities, ensure_pony_schema
from durable_sql.schema.tables import TABLES, Kind
from durable_sql.stored_json import UnreadableText
from peewee_cells import NOW, a_checkpoint, a_run
from pony_cells import PonyCell
from pony_databases import bind_pony, open_pony

TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.KEY: (str,),
    Kind.JSON: (str,),
    Kind.INSTANT: (datetime,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (float,),
    Kind.SEQUENCE: (int,),
}


@pytest.fixture
def database(empty_cell: PonyCell) -> Database:
    return empty_cell.database()


@pytest.fixture
def entities(database: Database) -> DurableEntities:
    defined = define_entities(database)
    database.generate_mapping(create_tables=True)
    return defined


def _catalogue(cell: PonyCell) -> list[Any]:
    return sorted(map(tuple, cell.probe.execute(_CATALOGUES[cell.probe.dialect])))


_CATALOGUES = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",
    "postgres": (
        "SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    ),
    "mysql": (
        "SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints"
        " WHERE table_schema = database()"
        " UNION ALL SELECT table_name, index_name, column_name FROM information_schema.statistics"
        " WHERE table_schema = database()"
        " UNION ALL SELECT table_name, column_name, column_type FROM information_schema.columns"
        " WHERE table_schema = database()"
    ),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_and_key_is_the_declared_one(table: Any, fresh_database: FreshDatabase) -> None:
    database = open_pony(fresh_database("sqlite"))
    defined = define_entities(database)
    database.generate_mapping()
    database.disconnect()
    each = [getattr(defined, field.name) for field in dataclasses.fields(defined)]
    (entity,) = (one for one in each if one._table_ == table.name)

    attributes = {attr.columns[0]: attr for attr in entity._attrs_with_columns_}

    assert tuple(entity._columns_) == table.column_names
    assert tuple(entity._pk_columns_) == table.primary_key
    for column in table.columns:
        attribute = attributes[column.name]
        if column.name == "run_id":
            assert (attribute.name, attribute.py_type) == ("run", defined.DurableWorkflowRun)
        else:
            assert attribute.name == column.name
            assert issubclass(attribute.py_type, TYPES[column.kind]), column.name
        if column.kind is Kind.KEY:
            assert attribute.converters[0].max_len == 191, column.name
            assert attribute.converters[0].autostrip is False, column.name
        assert bool(attribute.nullable) == column.nullable, column.name
        assert attribute.default == column.default, column.name
        assert attribute.lazy is False, column.name
        # A worker changes it while the host looks on.
        assert attribute.is_volatile or attribute.is_pk or column.name in table.primary_key, column.name


def test_pony_neither_makes_nor_changes_our_tables(empty_cell: PonyCell) -> None:
    ensure_pony_schema(empty_cell.database())
    made = _catalogue(empty_cell)

    host = empty_cell.database()
    define_entities(host)
    host.generate_mapping(create_tables=True)

    assert _catalogue(empty_cell) == made


def test_the_tables_are_there_once_the_entities_are(database: Database, empty_cell: PonyCell) -> None:
    define_entities(database)
    assert empty_cell.runs() == []
    database.generate_mapping(check_tables=True)


def test_entities_may_be_declared_before_the_database_is_bound(cell: PonyCell) -> None:
    database = Database()
    defined = define_entities(database, auto_schema=False)
    with pytest.raises(ConfigurationError, match="not bound yet"):
        define_entities(Database())
    bind_pony(database, cell.address)
    database.generate_mapping(create_tables=True)
    assert run_blocking(PonyStateStore(database).create_run(a_run("r")))
    with db_session:
        assert defined.DurableWorkflowRun["r"].status == "pending"
    with pytest.raises(ConfigurationError, match=r"before db\.generate_mapping"):
        define_entities(database)
    database.disconnect()


def test_what_the_store_writes_the_entities_read(database: Database, entities: DurableEntities) -> None:
    store = PonyStateStore(database)
    wake = int((NOW + timedelta(days=1)).timestamp() * 1000)
    run = WorkflowRun(
        id=" r/ä",
        workflow="checkout",
        workflow_version="1",
        status="failed",
        created_at=NOW,
        updated_at=NOW,
        input={"sku": "Ä-1 🎁", "price": 19.99, "none": None},
        output="text",
        wake_at_ms=wake,
        tags=("vip",),
        search_attributes={"tier": "pro", "amount": 250.75},
    )
    assert run_blocking(store.create_run(run))
    run_blocking(store.save_checkpoint(a_checkpoint(" r/ä", 2, output=[1])))
    run_blocking(store.save_checkpoint(a_checkpoint(" r/ä", -1)))
    run_blocking(store.put_signal_waiter(SignalWaiter(token="t", run_id=" r/ä", seq=3)))
    run_blocking(store.buffer_signal("buffered", {"a": 1}))

    with db_session:
        assert entities.DurableWorkflowRun[" r/ä"].workflow == "checkout"
        (row,) = select(r for r in entities.DurableWorkflowRun if r.status == "failed")
        assert row.id == " r/ä"
        assert (row.created_at, row.wake_at) == (NOW, NOW + timedelta(days=1))
        assert row.created_at.tzinfo is UTC
        assert row.input == {"sku": "Ä-1 🎁", "price": 19.99, "none": None}
        assert (row.output, row.error, row.tags, row.namespace) == ("text", None, ["vip"], "default")
        assert {(one.key, one.str_value, one.num_value) for one in row.attributes} == {
            ("amount", None, 250.75),
            ("tier", "pro", None),
        }
        assert sorted((one.seq, one.output) for one in row.checkpoints) == [(-1, None), (2, [1])]
        assert [one.token for one in row.signal_waiters] == ["t"]
        assert [(one.token, one.payload) for one in entities.DurableBufferedSignal.select()] == [("buffered", {"a": 1})]


def test_the_host_queries_across_relations_by_instants_and_with_its_own_tables(empty_cell: PonyCell) -> None:
    database = empty_cell.database()
    entities = define_entities(database)

    class Order(database.Entity):  # type: ignore[misc, name-defined] # Pony has no types
        number = PrimaryKey(int)
        run_id = Required(str, 191)

    database.generate_mapping(create_tables=True)
    order: Any = Order
    store = PonyStateStore(database)
    for number, name in enumerate(("old", "new")):
        at = NOW + timedelta(days=number)
        run = a_run(name, created_at=at, updated_at=at, search_attributes={"n": number})
        with db_session:
            Order(number=number, run_id=name)
            assert run_blocking(store.create_run(run))
        run_blocking(store.save_checkpoint(a_checkpoint(name, 0, status="failed" if number else "completed")))

    run, checkpoint = entities.DurableWorkflowRun, entities.DurableStepCheckpoint
    between = NOW + timedelta(hours=12)
    with db_session:
        assert set(select(r.id for r in run if r.created_at > between)) == {"new"}
        assert set(select(c.run.id for c in checkpoint if c.status == "failed")) == {"new"}
        assert set(select(r.id for r in run for c in r.checkpoints if c.status == "completed")) == {"old"}
        assert set(select(r.id for r in run for a in r.attributes if a.key == "n" and a.num_value == 1)) == {"new"}
        assert set(select((o.number, r.status) for o in order for r in run if r.id == o.run_id)) == {
            (0, "pending"),
            (1, "pending"),
        }
        assert count(c for c in checkpoint) == 2


def test_the_session_sees_what_the_store_writes_in_it(database: Database, entities: DurableEntities) -> None:
    store = PonyStateStore(database)
    run_type: Any = entities.DurableWorkflowRun
    assert run_blocking(store.create_run(a_run("r")))

    def pending() -> int:
        return len(select(r for r in run_type if r.status == "pending"))  # which Pony answers twice from memory

    with db_session:
        row = run_type["r"]
        assert (row.status, pending(), row.checkpoints.count()) == ("pending", 1, 0)

        assert run_blocking(store.update_run("r", RunPatch(status="cancelled")))
        run_blocking(store.save_checkpoint(a_checkpoint("r", 1)))

        assert row.status == "cancelled"
        assert pending() == 0
        assert [one.seq for one in row.checkpoints] == [1]
        assert run_type.get(status="cancelled") is row


def test_a_worker_that_changes_a_row_does_not_fail_the_host(empty_cell: PonyCell, database: Database) -> None:
    run_type: Any = define_entities(database).DurableWorkflowRun
    database.generate_mapping()
    assert run_blocking(PonyStateStore(database).create_run(a_run("r")))

    with db_session:
        row = run_type["r"]
        assert row.status == "pending"
        empty_cell.probe.execute("UPDATE durable_workflow_runs SET status = 'running'")
        # What was read stays so until a query reads it again.
        assert row.status == "pending"
        select(r for r in run_type if r.id != "x")[:]
        # MariaDB's transaction goes on showing what it showed first.
        assert row.status == ("pending" if empty_cell.name == "mariadb" else "running")


def test_what_the_entities_write_the_store_reads(database: Database, entities: DurableEntities) -> None:
    with db_session:
        row = entities.DurableWorkflowRun(
            id="r", workflow="w", workflow_version="1", status="pending", created_at=NOW, updated_at=NOW, input=[1]
        )
        entities.DurableStepCheckpoint(
            run=row, seq=1, name="s", kind="local", step_id="r:1", status="completed", attempts=1,
            started_at=NOW, finished_at=NOW,
        )  # fmt: skip
        flush()
        row.output = {"a": None}
        with pytest.raises(InvalidInstant):
            row.wake_at = datetime(2026, 1, 1)  # noqa: DTZ001 - which is what shall be refused

    read = run_blocking(PonyStateStore(database).get_run("r"))
    assert read is not None
    assert (read.input, read.output, read.created_at, read.namespace) == ([1], {"a": None}, NOW, "default")
    assert [one.seq for one in run_blocking(PonyStateStore(database).list_checkpoints("r"))] == [1]


def test_text_that_is_no_json_reads_as_itself_and_warns(
    empty_cell: PonyCell, database: Database, entities: DurableEntities, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_blocking(PonyStateStore(database).create_run(a_run("r")))
    empty_cell.probe.execute("UPDATE durable_workflow_runs SET input = 'no json'")
    with db_session:
        value = entities.DurableWorkflowRun["r"].input
    assert (type(value), value) == (UnreadableText, "no json")
    assert "DurableWorkflowRun.input holds text that is no JSON" in caplog.text


def test_two_databases_share_no_entity(fresh_database: FreshDatabase) -> None:
    first, second = open_pony(fresh_database("sqlite")), open_pony(fresh_database("sqlite"))
    one, other = define_entities(first), define_entities(second)
    for database in (first, second):
        database.generate_mapping()
    assert run_blocking(PonyStateStore(first).create_run(a_run("r")))
    with db_session:
        assert (one.DurableWorkflowRun.select().count(), other.DurableWorkflowRun.select().count()) == (1, 0)
    for database in (first, second):
        database.disconnect()
