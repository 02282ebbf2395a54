"""Tables that another tool made: served as they are, or refused by name with the statements that mend them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backends import FreshDatabase
from catalogues import catalogue
from durable_core.drive import run_blocking
from durable_core.errors import SchemaMismatch
from durable_sql.schema.ddl import ddl
from durable_sql.schema.ensure import ensure_schema, verify_schema
from durable_sql.schema.hazards import hazards
from durable_sql.stored_instants import read_instant
from peewee_databases import open_peewee
from recording_session import RecordingSession

LAYOUTS = Path(__file__).parent / "other_layouts"
RUNS, STEPS = "durable_workflow_runs", "durable_step_checkpoints"
NOON = datetime(2026, 3, 4, 12, 0, 0, 123000, tzinfo=UTC)
NOON_MS = 1772625600123


@contextmanager
def opened(fresh_database: FreshDatabase, backend: str, *statements: str) -> Iterator[RecordingSession]:
    database = open_peewee(fresh_database(backend))
    with database.connection_context():
        for statement in statements:
            database.execute_sql(statement)
        yield RecordingSession(database)


def layout(name: str) -> list[str]:
    text = "\n".join(line for line in (LAYOUTS / name).read_text().splitlines() if not line.startswith("--"))
    return [statement for statement in text.split(";") if statement.strip()]


def refused(session: RecordingSession) -> SchemaMismatch:
    """The refusal of ensure and verify alike, which changed nothing."""
    before = catalogue(session.raw)
    with pytest.raises(SchemaMismatch):
        run_blocking(verify_schema(session))
    with pytest.raises(SchemaMismatch) as refusal:
        run_blocking(ensure_schema(session))
    assert catalogue(session.raw) == before
    assert all(statement in str(refusal.value) for statement in refusal.value.ddl)
    return refusal.value


def mended(session: RecordingSession, refusal: SchemaMismatch) -> None:
    for statement in refusal.ddl:
        session.raw.execute_sql(statement)
    run_blocking(ensure_schema(session))
    run_blocking(verify_schema(session))


@pytest.mark.parametrize("backend", ["postgres", "postgres3", "sqlite"])
def test_typeorm_tables_are_served_with_indexes_added_alone(
    fresh_database: FreshDatabase, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = "sqlite" if backend == "sqlite" else "postgres"
    with opened(fresh_database, backend, *layout(f"typeorm_{name}.sql")) as session:
        before = catalogue(session.raw)
        with caplog.at_level(logging.WARNING):
            run_blocking(ensure_schema(session))

        added = {row for row in catalogue(session.raw) - before if row[0] != "durable_schema_meta"}
        assert {row[2] for row in added} == {
            "durable_runs_created_idx",
            "durable_runs_status_updated_idx",
            "durable_signal_waiters_run_idx",
        }
        assert before <= catalogue(session.raw)
        run_blocking(verify_schema(session))
        told = [record.getMessage() for record in caplog.records]
        assert len([line for line in told if 'not "C"' in line]) == (0 if backend == "sqlite" else 2 * 6)


def test_hazards_name_column_and_mend(fresh_database: FreshDatabase) -> None:
    with opened(fresh_database, "postgres", *layout("typeorm_postgres.sql")) as session:
        found = run_blocking(hazards(session))
        assert {(it.table, it.column) for it in found} >= {(RUNS, "id"), ("durable_signal_waiters", "token")}
        for hazard in found:
            session.raw.execute_sql(hazard.mend)
        assert run_blocking(hazards(session)) == []
        run_blocking(ensure_schema(session))


def test_a_schema_of_ours_has_no_hazard(session: RecordingSession, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run_blocking(ensure_schema(session))
    assert run_blocking(hazards(session)) == []
    assert caplog.records == []


def test_typeorm_tables_on_mariadb_are_refused_until_mended(fresh_database: FreshDatabase) -> None:
    with opened(fresh_database, "mariadb", *layout("typeorm_mysql.sql")) as session:
        session.raw.execute_sql(
            f"INSERT INTO {RUNS} (id, workflow, workflow_version, status, output, created_at, updated_at) "
            "VALUES ('Größe', 'w', '1', 'completed', '\"😀\"', '2026-03-04 12:00:00', '2026-03-04 12:00:00')"
        )
        refusal = refused(session)
        for column in ("id", "wake_at", "locked_until", "created_at", "namespace", "locked_by"):
            assert f"{RUNS}.{column} " in str(refusal)
        assert f"{RUNS}.priority " not in str(refusal)
        assert len(refusal.ddl) == 6

        mended(session, refusal)

        rows = session.raw.execute_sql(f"SELECT id, output, namespace FROM {RUNS}").fetchall()
        assert rows == (("Größe", '"😀"', "default"),)
        session.raw.execute_sql(
            f"INSERT INTO {RUNS} (id, workflow, workflow_version, status, created_at, updated_at) "
            "VALUES ('größe', 'w', '1', 'pending', '2026-03-04 12:00:00.123', '2026-03-04 12:00:00')"
        )
        assert session.raw.execute_sql(f"SELECT COUNT(*) FROM {RUNS}").fetchone() == (2,)


ALTERED: list[tuple[str, str, str, str]] = [
    ("postgres", f"ALTER TABLE {RUNS} ALTER output TYPE jsonb USING output::jsonb", f"{RUNS}.output", "jsonb"),
    ("postgres", f"ALTER TABLE {STEPS} ALTER events TYPE json USING events::json", f"{STEPS}.events", "json"),
    ("postgres", f"ALTER TABLE {RUNS} ALTER wake_at TYPE timestamp(3)", f"{RUNS}.wake_at", "time zone"),
    ("postgres", f"ALTER TABLE {RUNS} ALTER created_at TYPE timestamptz(0)", f"{RUNS}.created_at", "rounds"),
    ("postgres", f"ALTER TABLE {RUNS} ALTER locked_by TYPE varchar(64)", f"{RUNS}.locked_by", "too short"),
    ("postgres", f"ALTER TABLE {RUNS} ALTER status TYPE char(12)", f"{RUNS}.status", "character(12)"),
    ("postgres", "ALTER TABLE durable_run_attributes ALTER num_value TYPE real", "num_value", "7 digits"),
    ("postgres", f"ALTER TABLE {STEPS} ALTER attempts TYPE smallint", f"{STEPS}.attempts", "smallint"),
    ("postgres", "ALTER TABLE durable_buffered_signals ALTER id DROP IDENTITY", "signals.id", "count"),
    ("postgres", f"ALTER TABLE {STEPS} ALTER enqueued_at SET NOT NULL", f"{STEPS}.enqueued_at", "NOT NULL"),
    ("postgres", f"ALTER TABLE {STEPS} DROP CONSTRAINT {STEPS}_pkey", STEPS, "(run_id, seq)"),
    ("postgres", f"ALTER TABLE {RUNS} ADD COLUMN region text NOT NULL", RUNS, "region"),
    ("mariadb", f"ALTER TABLE {RUNS} MODIFY wake_at datetime", f"{RUNS}.wake_at", "milliseconds"),
    ("mariadb", f"ALTER TABLE {RUNS} MODIFY wake_at timestamp(3) NULL", f"{RUNS}.wake_at", "timestamp"),
    ("mariadb", f"ALTER TABLE {STEPS} MODIFY seq int unsigned NOT NULL", f"{STEPS}.seq", "negative"),
    ("mariadb", "ALTER TABLE durable_run_attributes MODIFY num_value float", "num_value", "7 digits"),
    ("mariadb", f"ALTER TABLE {RUNS} MODIFY input text", f"{RUNS}.input", "64 KB"),
    ("mariadb", f"ALTER TABLE {RUNS} MODIFY output longtext CHARACTER SET latin1", f"{RUNS}.output", "latin1"),
    (
        "mariadb",
        f"ALTER TABLE {RUNS} MODIFY locked_by varchar(100) COLLATE utf8mb4_bin",
        f"{RUNS}.locked_by",
        "too short",
    ),
    (
        "mariadb",
        "ALTER TABLE durable_signal_waiters MODIFY token varchar(191) COLLATE utf8mb4_unicode_ci NOT NULL",
        "durable_signal_waiters.token",
        "different identifiers for one",
    ),
    ("mariadb", f"ALTER TABLE {STEPS} ENGINE=MyISAM", STEPS, "no transactions"),
    ("mariadb", f"ALTER TABLE {STEPS} DROP PRIMARY KEY", STEPS, "(run_id, seq)"),
    ("mariadb", f"ALTER TABLE {RUNS} ADD COLUMN region varchar(10) NOT NULL", RUNS, "region"),
    ("mariadb", f"ALTER TABLE {STEPS} MODIFY enqueued_at datetime(3) NOT NULL", f"{STEPS}.enqueued_at", "NOT NULL"),
    ("mariadb", "ALTER TABLE durable_buffered_signals MODIFY id bigint NOT NULL", "signals.id", "count"),
]


@pytest.mark.parametrize(("backend", "change", "place", "why"), ALTERED, ids=lambda value: value[:60])
def test_a_column_that_cannot_be_served_is_named_and_mended(
    fresh_database: FreshDatabase, backend: str, change: str, place: str, why: str
) -> None:
    with opened(fresh_database, backend) as session:
        for statement in (*ddl(session.dialect), change):
            session.raw.execute_sql(statement)

        refusal = refused(session)

        assert place in str(refusal)
        assert why in str(refusal)
        mended(session, refusal)


DECLARED: list[tuple[str, str, str]] = [
    ('"created_at" datetime', '"created_at" INTEGER', "epoch numbers"),
    ('"id" varchar(191) NOT NULL', '"id" INTEGER NOT NULL', "looks like a number"),
    ('"output" text', '"output" json', "looks like a number"),
    ('"priority" integer', '"priority" text', "not integer"),
    ('"num_value" real', '"num_value" text', "not real"),
    ('"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL', '"id" bigint PRIMARY KEY', "INTEGER PRIMARY KEY"),
    ('"token" varchar(191) NOT NULL', '"token" varchar(191) COLLATE NOCASE NOT NULL', "collation NOCASE"),
    ('"locked_by" varchar(191)', '[locked_by] varchar(191) collate "rtrim"', "collation rtrim"),
    ('"origin" varchar(191)', '"origin" varchar(191), "mine" text NOT NULL', "mine"),
    ('"enqueued_at" datetime', '"enqueued_at" datetime NOT NULL', "NOT NULL"),
]


@pytest.mark.parametrize(("ours", "theirs", "why"), DECLARED, ids=lambda value: value[:40])
def test_a_declaration_that_sqlite_cannot_serve_is_named_and_mended(
    fresh_database: FreshDatabase, ours: str, theirs: str, why: str
) -> None:
    with opened(fresh_database, "sqlite") as session:
        statements = ddl(session.dialect)
        assert any(ours in statement for statement in statements)
        for statement in statements:
            session.raw.execute_sql(statement.replace(ours, theirs))

        refusal = refused(session)

        assert why in str(refusal)
        mended(session, refusal)


@pytest.mark.parametrize(
    ("backend", "before", "stored"),
    [
        ("sqlite", [], NOON_MS),
        ("postgres", [f"ALTER TABLE {RUNS} ALTER wake_at TYPE bigint USING NULL"], NOON_MS),
        ("postgres", [f"ALTER TABLE {RUNS} ALTER wake_at TYPE timestamp(3)"], "2026-03-04 12:00:00.123"),
        ("mariadb", [f"ALTER TABLE {RUNS} MODIFY wake_at bigint"], NOON_MS),
        ("mariadb", [f"ALTER TABLE {RUNS} MODIFY wake_at timestamp(3) NULL"], "2026-03-04 12:00:00.123"),
    ],
)
def test_a_mend_keeps_instants_and_the_host_s_own_columns(
    fresh_database: FreshDatabase, backend: str, before: list[str], stored: Any
) -> None:
    with opened(fresh_database, backend) as session:
        added = f"ALTER TABLE {RUNS} ADD COLUMN region varchar(10)"
        for statement in (*ddl(session.dialect), *before, added):
            session.raw.execute_sql(statement)
        if backend == "mariadb":
            session.raw.execute_sql("SET time_zone = '+00:00'")
        if backend == "postgres":
            session.raw.execute_sql("SET TimeZone = 'America/Sao_Paulo'")
        mark = "?" if backend == "sqlite" else "%s"
        session.raw.execute_sql(
            f"INSERT INTO {RUNS} (id, workflow, workflow_version, status, wake_at, region, created_at, updated_at) "
            f"VALUES ('r', 'w', '1', 'suspended', {mark}, 'north', '2026-03-04 12:00:00', '2026-03-04 12:00:00')",
            (stored,),
        )

        refusal = refused(session)
        assert f"{RUNS}.wake_at" in str(refusal)
        mended(session, refusal)

        ((wake_at, region),) = session.raw.execute_sql(f"SELECT wake_at, region FROM {RUNS}").fetchall()
        assert read_instant(wake_at, "wake_at") == NOON
        assert region == "north"


def test_a_table_that_is_no_durable_table_is_asked_to_make_room(session: RecordingSession) -> None:
    session.raw.execute_sql("CREATE TABLE durable_buffered_events (id varchar(191) NOT NULL PRIMARY KEY)")
    refusal = refused(session)
    assert "is missing, so this is no durable table" in str(refusal)
    mended(session, refusal)
