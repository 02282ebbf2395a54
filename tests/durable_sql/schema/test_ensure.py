"""ensure_schema adds what is missing, touches nothing else, and costs next to nothing when there is nothing to do."""

from __future__ import annotations

import pytest

from catalogues import catalogue
from durable_core.drive import run_blocking
from durable_core.errors import SchemaMissing
from durable_sql.schema.ddl import ddl, managed_tables
from durable_sql.schema.ensure import ensure_schema, verify_schema
from durable_sql.schema.gate import fingerprint
from durable_sql.schema.hazards import hazards
from durable_sql.schema.inspect import inspect_tables
from durable_sql.schema.tables import RUNS, TABLES
from durable_sql.store import SqlStateStore
from recording_session import RecordingSession

HOST_TABLES = (
    "CREATE TABLE orders (id varchar(50) NOT NULL PRIMARY KEY, durable_run varchar(191), total integer NOT NULL)",
    "CREATE INDEX orders_total ON orders (total)",
    "CREATE TABLE durable_looking (id integer NOT NULL PRIMARY KEY)",
)
ADDED_LATER = (
    ("durable_step_checkpoints", "events"),
    ("durable_step_checkpoints", "enqueued_at"),
    ("durable_step_checkpoints", "parallel_group"),
    ("durable_signal_waiters", "parallel_group"),
    ("durable_workflow_runs", "origin"),
    ("durable_workflow_runs", "awaiting_decision_task_id"),
)


def run_sql(session: RecordingSession, *statements: str) -> None:
    for statement in statements:
        session.raw.execute_sql(statement)


def forget_marker(session: RecordingSession) -> None:
    run_sql(session, "DELETE FROM durable_schema_meta WHERE id = 'durable-py'")


def insert_run(session: RecordingSession, columns: str = "", values: str = "") -> None:
    run_sql(
        session,
        f"INSERT INTO durable_workflow_runs (id, workflow, workflow_version, status, created_at, updated_at{columns}) "
        f"VALUES ('old', 'w', '1', 'pending', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'{values})",
    )


def is_ddl(statement: str) -> bool:
    return statement.split(maxsplit=1)[0].upper() in {"CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME"}


def test_an_empty_database_gets_every_table_column_and_index(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    live = run_blocking(inspect_tables(session))

    assert set(live) == set(managed_tables())
    for table in TABLES:
        assert tuple(live[table.name].columns) == table.column_names
        assert live[table.name].identifies(table.primary_key)
        for index in table.indexes:
            assert any(one.name == index.name and one.columns == index.columns for one in live[table.name].indexes)
        for column in table.columns:
            assert live[table.name].columns[column.name].nullable == column.nullable, column.name
    run_blocking(verify_schema(session))


def test_a_second_call_is_two_reads(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    before = catalogue(session.raw)
    session.statements.clear()

    run_blocking(ensure_schema(session))

    assert len(session.statements) == 2
    assert all(statement.startswith("SELECT") for statement in session.statements)
    assert catalogue(session.raw) == before


def test_a_matching_marker_does_not_hide_a_dropped_table(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    before = catalogue(session.raw)
    run_sql(session, "DROP TABLE durable_buffered_events")

    run_blocking(ensure_schema(session))

    assert catalogue(session.raw) == before


def test_a_new_layout_is_looked_at_again_and_noted(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    run_sql(session, "UPDATE durable_schema_meta SET fingerprint = 'of an older version'")
    session.statements.clear()

    run_blocking(ensure_schema(session))

    assert not [one for one in session.statements if is_ddl(one) and "durable_schema_meta" not in one]
    (mark,) = session.raw.execute_sql("SELECT fingerprint FROM durable_schema_meta WHERE id = 'durable-py'").fetchall()
    assert mark[0] == fingerprint(session.dialect)


@pytest.mark.parametrize(("table", "column"), ADDED_LATER)
def test_a_missing_column_is_added(session: RecordingSession, table: str, column: str) -> None:
    run_blocking(ensure_schema(session))
    whole = run_blocking(inspect_tables(session))
    run_sql(session, f"ALTER TABLE {table} DROP COLUMN {column}")
    forget_marker(session)

    run_blocking(ensure_schema(session))

    live = run_blocking(inspect_tables(session))
    assert live[table].columns[column] == whole[table].columns[column]
    run_blocking(verify_schema(session))


def test_namespace_is_back_filled_and_origin_is_not(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    run_sql(session, "DROP INDEX durable_runs_namespace_status_idx" + _on_runs(session))
    run_sql(session, *(f"ALTER TABLE durable_workflow_runs DROP COLUMN {name}" for name in ("namespace", "origin")))
    insert_run(session)
    forget_marker(session)

    run_blocking(ensure_schema(session))

    rows = session.raw.execute_sql("SELECT namespace, origin FROM durable_workflow_runs").fetchall()
    assert list(rows) == [("default", None)]
    run_blocking(verify_schema(session))


def test_a_nullable_namespace_stays_as_it_is(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    run_sql(session, "DROP INDEX durable_runs_namespace_status_idx" + _on_runs(session))
    run_sql(session, "ALTER TABLE durable_workflow_runs DROP COLUMN namespace")
    collation = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if session.dialect.name == "mysql" else ""
    run_sql(session, f"ALTER TABLE durable_workflow_runs ADD COLUMN namespace varchar(191){collation}")
    forget_marker(session)

    run_blocking(ensure_schema(session))

    namespace = run_blocking(inspect_tables(session))["durable_workflow_runs"].columns["namespace"]
    assert namespace.nullable
    assert namespace.default in (None, "NULL")

    insert_run(session)
    (hazard,) = [one for one in run_blocking(hazards(session)) if one.what.startswith("may be NULL")]
    assert (hazard.table, hazard.column) == ("durable_workflow_runs", "namespace")
    store = SqlStateStore(session)
    assert [len(run_blocking(store.list_pending_runs(9, asked))) for asked in (None, "default")] == [1, 0]
    run_sql(session, hazard.mend)
    assert [len(run_blocking(store.list_pending_runs(9, asked))) for asked in (None, "default")] == [1, 1]


def test_what_is_not_ours_stays_as_it_is(session: RecordingSession) -> None:
    run_sql(session, *HOST_TABLES)
    ours = managed_tables(marker=True)
    before = catalogue(session.raw, without=ours)

    run_blocking(ensure_schema(session))
    run_sql(session, "INSERT INTO durable_schema_meta (id, fingerprint, applied_at) VALUES ('durable', 'of Node', 1)")
    run_sql(session, "CREATE INDEX of_the_host ON durable_workflow_runs (origin)")
    forget_marker(session)
    run_sql(session, "DROP TABLE durable_buffered_signals")
    run_blocking(ensure_schema(session))

    assert catalogue(session.raw, without=ours) == before
    marks = session.raw.execute_sql(
        "SELECT id, fingerprint, applied_at FROM durable_schema_meta ORDER BY id"
    ).fetchall()
    assert marks[0] == ("durable", "of Node", 1)
    assert marks[1][0] == "durable-py"
    assert marks[1][2] > 1_700_000_000_000
    runs = run_blocking(inspect_tables(session))["durable_workflow_runs"]
    assert "of_the_host" in {index.name for index in runs.indexes}


def test_an_index_over_the_same_columns_serves_whatever_its_name(session: RecordingSession) -> None:
    run_blocking(ensure_schema(session))
    for index in RUNS.indexes:
        run_sql(session, f"DROP INDEX {index.name}" + _on_runs(session))
        run_sql(session, f"CREATE INDEX other_{index.name} ON durable_workflow_runs ({', '.join(index.columns)})")
    forget_marker(session)
    before = catalogue(session.raw)

    run_blocking(ensure_schema(session))

    assert catalogue(session.raw) == before


@pytest.mark.parametrize("columns", ["wake_at, status", "status"])
def test_an_index_over_other_columns_does_not_serve_even_by_our_name(session: RecordingSession, columns: str) -> None:
    run_blocking(ensure_schema(session))
    run_sql(session, "DROP INDEX durable_runs_status_idx" + _on_runs(session))
    run_sql(session, f"CREATE INDEX durable_runs_status_idx ON durable_workflow_runs ({columns})")
    forget_marker(session)

    run_blocking(ensure_schema(session))

    runs = run_blocking(inspect_tables(session))["durable_workflow_runs"]
    assert [one.name for one in runs.indexes if one.columns == ("status", "wake_at")] == [
        "durable_runs_status_idx_durable"
    ]


def test_verify_changes_nothing_and_gives_the_very_ddl(session: RecordingSession) -> None:
    before = catalogue(session.raw)
    with pytest.raises(SchemaMissing) as missing:
        run_blocking(verify_schema(session))

    assert catalogue(session.raw) == before
    assert missing.value.ddl == ddl(session.dialect)
    assert all(statement in str(missing.value) for statement in missing.value.ddl)
    run_sql(session, *missing.value.ddl)
    run_blocking(verify_schema(session))


def test_verify_asks_for_one_missing_column_and_index_alone(session: RecordingSession) -> None:
    run_sql(session, *ddl(session.dialect))
    run_sql(session, "DROP INDEX durable_runs_created_idx" + _on_runs(session))
    run_sql(session, "ALTER TABLE durable_workflow_runs DROP COLUMN origin")

    with pytest.raises(SchemaMissing) as missing:
        run_blocking(verify_schema(session))

    add, create = missing.value.ddl
    assert add.startswith("ALTER TABLE")
    assert "origin" in add
    assert create.startswith("CREATE INDEX")
    run_sql(session, add, create)
    run_blocking(verify_schema(session))


def test_what_is_printed_is_what_ensure_makes(session: RecordingSession) -> None:
    run_sql(session, *ddl(session.dialect))
    printed = catalogue(session.raw)
    run_blocking(ensure_schema(session))
    assert catalogue(session.raw, without=["durable_schema_meta"]) == printed


def _on_runs(session: RecordingSession) -> str:
    return " ON durable_workflow_runs" if session.dialect.name == "mysql" else ""
