"""The durable tables from the host's own migrations: theirs stay theirs, ours come and go."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import peewee
import pytest
from playhouse import migrations as playhouse
from playhouse.migrations import Runner

import durable_peewee
from catalogues import catalogue
from database_servers import BackendAddress
from durable_core import Durable, SchemaMissing
from durable_core.drive import run_blocking
from durable_peewee import PeeweeStateStore
from durable_peewee.schema import MIGRATION_HISTORY, durable_migrations, ensure_peewee_schema
from durable_sql.schema.ddl import ddl, managed_tables
from peewee_databases import open_peewee

HOST_MIGRATION = """
import peewee

def up(migrator, db):
    db.execute_sql("CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, total integer NOT NULL)")
    db.execute_sql("CREATE INDEX orders_total ON orders (total)")
    db.execute_sql("INSERT INTO orders VALUES (1, 100)")
"""
HOST_CALLS_US = """
from durable_peewee.schema import drop_peewee_schema, ensure_peewee_schema

def up(migrator, db):
    ensure_peewee_schema(db)

def down(migrator, db):
    drop_peewee_schema(db)
"""


@pytest.fixture
def host(any_database: BackendAddress, tmp_path: Path) -> Iterator[peewee.Database]:
    """An application with tables and a migration history of its own."""
    (tmp_path / "0001_orders.py").write_text(HOST_MIGRATION)
    database = open_peewee(any_database)
    with database.connection_context():
        assert Runner(database, str(tmp_path)).up() == ["0001_orders"]
        yield database


def is_complete(database: peewee.Database) -> bool:
    run_blocking(PeeweeStateStore(database).verify_schema())
    return True


def test_without_auto_schema_an_application_verifies_and_never_creates(host: peewee.Database) -> None:
    before = catalogue(host)
    durable = Durable(PeeweeStateStore(host), auto_schema=False)
    durable.workflow(name="flow")(lambda ctx: "done")
    for use in (durable.boot, lambda: durable.start("flow"), durable.list_runs, durable.run_until_idle):
        with pytest.raises(SchemaMissing, match="creating what is missing is switched off") as missing:
            use()
        assert missing.value.ddl == ddl(PeeweeStateStore(host).session.dialect)
    assert catalogue(host) == before

    ensure_peewee_schema(host)
    handle = durable.start("flow")
    durable.run_until_idle()
    assert handle.result("10 s") == "done"


def test_our_migration_goes_up_and_down_beside_the_host_s(host: peewee.Database, tmp_path: Path) -> None:
    before = catalogue(host)
    runner = durable_migrations(host)

    assert runner.up() == ["0001_durable_tables"]
    assert is_complete(host)
    assert catalogue(host, without=[*managed_tables(marker=True), MIGRATION_HISTORY]) == before
    assert runner.up() == []
    assert Runner(host, str(tmp_path)).up() == []
    assert [applied.name for applied in Runner(host, str(tmp_path)).status()] == ["0001_orders"]

    assert runner.down() == ["0001_durable_tables"]
    assert catalogue(host, without=[MIGRATION_HISTORY]) == before
    assert tuple(host.execute_sql("SELECT id, total FROM orders").fetchall()) == ((1, 100),)
    assert runner.up() == ["0001_durable_tables"]
    assert is_complete(host)


def test_our_migration_takes_tables_that_are_there(host: peewee.Database) -> None:
    ensure_peewee_schema(host)
    before = catalogue(host)
    assert durable_migrations(host).up() == ["0001_durable_tables"]
    assert catalogue(host, without=[MIGRATION_HISTORY]) == before


def test_another_library_s_marker_survives_the_way_down(host: peewee.Database) -> None:
    runner = durable_migrations(host)
    runner.up()
    host.execute_sql("INSERT INTO durable_schema_meta (id, fingerprint, applied_at) VALUES ('durable', 'of Node', 1)")
    runner.down()
    assert list(host.execute_sql("SELECT id, fingerprint FROM durable_schema_meta").fetchall()) == [
        ("durable", "of Node")
    ]
    assert not set(managed_tables()) & set(host.get_tables())


def test_the_host_s_own_migration_may_call_us(host: peewee.Database, tmp_path: Path) -> None:
    before = catalogue(host)
    (tmp_path / "0002_durable.py").write_text(HOST_CALLS_US)
    runner = Runner(host, str(tmp_path))
    assert runner.up() == ["0002_durable"]
    assert is_complete(host)
    assert runner.down() == ["0002_durable"]
    assert catalogue(host) == before


def test_a_host_s_migration_that_fails_can_be_run_again(host: peewee.Database, tmp_path: Path) -> None:
    before = catalogue(host)
    failing = HOST_CALLS_US.replace("    ensure_peewee_schema(db)\n", "    ensure_peewee_schema(db)\n    1 / 0\n")
    (tmp_path / "0002_durable.py").write_text(failing)
    with pytest.raises(ZeroDivisionError):
        Runner(host, str(tmp_path)).up()
    # MariaDB commits each DDL statement by itself, so there the tables stand; elsewhere nothing is left of them.
    assert (catalogue(host) == before) != isinstance(host, peewee.MySQLDatabase)
    (tmp_path / "0002_durable.py").write_text(HOST_CALLS_US)
    assert Runner(host, str(tmp_path)).up() == ["0002_durable"]
    assert is_complete(host)


def test_the_pwmigrate_command_runs_our_script(any_database: BackendAddress) -> None:
    directory = str(Path(durable_peewee.__file__).parent / "migrations")
    command = [_url(any_database), "up", "--directory", directory, "--table", MIGRATION_HISTORY]
    with redirect_stdout(io.StringIO()) as said:
        assert playhouse.main(command) == 0
    assert "applied: 0001_durable_tables" in said.getvalue()
    database = open_peewee(any_database)
    with database.connection_context():
        assert is_complete(database)


def test_a_closed_database_is_opened_and_closed_again(any_database: BackendAddress) -> None:
    database = open_peewee(any_database)
    ensure_peewee_schema(database)
    assert database.is_closed()


def _url(address: BackendAddress) -> str:
    return address.url + ("?prefer_psycopg3=true" if address.backend == "postgres3" else "")
