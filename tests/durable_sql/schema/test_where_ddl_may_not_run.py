"""Where tables may not be created, nothing is, and the error says what to run instead."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee
import pytest

from backends import FreshDatabase
from catalogues import catalogue
from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_core.errors import SchemaMissing
from durable_sql.schema.ddl import ddl, managed_tables
from durable_sql.schema.ensure import ensure_schema
from peewee_databases import open_peewee
from recording_session import RecordingSession


def test_a_host_s_transaction_is_not_made_to_create_tables(session: RecordingSession) -> None:
    database = session.raw
    database.execute_sql("CREATE TABLE orders (id integer NOT NULL PRIMARY KEY)")
    before = catalogue(database)
    with database.atomic():
        database.execute_sql("INSERT INTO orders VALUES (1)")
        with pytest.raises(SchemaMissing, match="a transaction of the application is open") as refusal:
            run_blocking(ensure_schema(session))
        assert refusal.value.ddl == ddl(session.dialect)
        assert "Call durable.boot() once at start-up, outside of any transaction, or" in str(refusal.value)
        database.execute_sql("INSERT INTO orders VALUES (2)")

    assert catalogue(database) == before
    assert len(database.execute_sql("SELECT id FROM orders").fetchall()) == 2


def test_a_host_s_transaction_is_no_obstacle_where_nothing_is_missing(session: RecordingSession) -> None:
    for statement in ddl(session.dialect):
        session.raw.execute_sql(statement)
    with session.raw.atomic():
        run_blocking(ensure_schema(session))
    assert not [one for one in session.statements if not one.startswith(("SELECT", "SHOW"))]
    run_blocking(ensure_schema(session))
    with session.raw.atomic():
        session.statements.clear()
        run_blocking(ensure_schema(session))
    assert len(session.statements) == 2


@pytest.mark.parametrize("backend", ["sqlite", "postgres", "postgres3"])
def test_a_migration_may_have_the_tables_in_its_transaction(fresh_database: FreshDatabase, backend: str) -> None:
    with _opened(fresh_database(backend)) as session:
        with session.raw.atomic() as transaction:
            run_blocking(ensure_schema(session, inside_transaction=True))
            assert session.raw.table_exists("durable_workflow_runs")
            transaction.rollback()
        assert catalogue(session.raw) == set()

        with session.raw.atomic():
            run_blocking(ensure_schema(session, inside_transaction=True))
        session.statements.clear()
        run_blocking(ensure_schema(session))
        assert len(session.statements) == 2


def test_mariadb_would_commit_a_migration_s_transaction_and_refuses(fresh_database: FreshDatabase) -> None:
    with _opened(fresh_database("mariadb")) as session:
        with session.raw.atomic(), pytest.raises(SchemaMissing, match="would commit it"):
            run_blocking(ensure_schema(session, inside_transaction=True))
        assert catalogue(session.raw) == set()
        run_blocking(ensure_schema(session, inside_transaction=True))


@pytest.mark.parametrize("backend", ["postgres", "postgres3", "mariadb"])
def test_an_account_that_may_not_create_gets_the_ddl(
    fresh_database: FreshDatabase, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = fresh_database(backend)
    with _opened(address) as owner, _restricted(address, owner.raw) as session:
        with pytest.raises(SchemaMissing, match="denied") as refusal:
            run_blocking(ensure_schema(session))
        assert refusal.value.ddl == ddl(session.dialect)
        assert "ensure_peewee_schema(db)" in str(refusal.value)
        assert catalogue(owner.raw) == set()
        if backend == "mariadb":
            (free,) = owner.raw.execute_sql(
                "SELECT IS_FREE_LOCK(CONCAT('durable_schema:', MD5(DATABASE())))"
            ).fetchone()
            assert free == 1

        for statement in refusal.value.ddl:
            owner.raw.execute_sql(statement)
        if backend != "mariadb":
            owner.raw.execute_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
        with caplog.at_level(logging.INFO):
            run_blocking(ensure_schema(session))
        assert "every boot inspects them" in caplog.text
        run_blocking(ensure_schema(session))


def test_a_file_that_may_only_be_read_gets_the_ddl(fresh_database: FreshDatabase) -> None:
    address = fresh_database("sqlite")
    with _opened(address) as owner:
        owner.raw.execute_sql("PRAGMA user_version = 1")
    read_only = peewee.SqliteDatabase(f"{Path(address.database).as_uri()}?mode=ro", uri=True)
    with read_only.connection_context():
        with pytest.raises(SchemaMissing, match="readonly") as refusal:
            run_blocking(ensure_schema(RecordingSession(read_only)))
        assert read_only.get_tables() == []
    with _opened(address) as owner:
        for statement in refusal.value.ddl:
            owner.raw.execute_sql(statement)
    with read_only.connection_context():
        run_blocking(ensure_schema(RecordingSession(read_only)))


def test_only_the_schema_on_the_search_path_counts(fresh_database: FreshDatabase) -> None:
    address = fresh_database("postgres")
    with _opened(address) as session:
        run_blocking(ensure_schema(session))
        session.raw.execute_sql("CREATE SCHEMA tenant")
        session.raw.execute_sql("ALTER TABLE durable_workflow_runs ALTER output TYPE jsonb USING output::jsonb")
        before = catalogue(session.raw)
    tenant = open_peewee(address, options="-c search_path=tenant")
    with tenant.connection_context():
        run_blocking(ensure_schema(RecordingSession(tenant)))
        assert set(tenant.get_tables(schema="tenant")) == set(managed_tables(marker=True))
        assert catalogue(tenant) == before


@contextmanager
def _opened(address: BackendAddress) -> Iterator[RecordingSession]:
    database = open_peewee(address)
    with database.connection_context():
        yield RecordingSession(database)


@contextmanager
def _restricted(address: BackendAddress, owner: peewee.Database) -> Iterator[RecordingSession]:
    """A session of an account that may read, and on MariaDB write, but create nothing."""
    name = address.database[-30:]
    if address.backend == "mariadb":
        owner.execute_sql(f"CREATE USER '{name}'@'%%' IDENTIFIED BY 'a'")
        owner.execute_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {address.database}.* TO '{name}'@'%%'")
        drop = [f"DROP USER '{name}'@'%%'"]
    else:
        owner.execute_sql(f"CREATE ROLE {name} LOGIN")
        owner.execute_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        drop = [f"DROP OWNED BY {name}", f"DROP ROLE {name}"]
    try:
        database = open_peewee(address, user=name, password="a")
        with database.connection_context():
            yield RecordingSession(database)
    finally:
        for statement in drop:
            owner.execute_sql(statement)
