"""Tortoise's own migration tool makes the durable tables, beside the host's own tables and history."""

from __future__ import annotations

from pathlib import Path

import pytest

import durable_tortoise
from backends import FreshDatabase
from durable_sql.schema.ddl import managed_tables
from tortoise_boots import boots_on
from tortoise_host import DURABLE, OWN_APP, TortoiseHost

BACKENDS = pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb"])
SHIPPED = Path(durable_tortoise.__file__).parent / "migrations"
#: As if this version of durable had added them: a column with a default, one without, and an index.
TOMORROW = """
from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations.operations import AddField, AddIndex

from durable_tortoise.fields import KeyField
from durable_tortoise.migration_operations import EnsureDurableTables, ModelsOnly

_INDEX = Index(fields=["namespace", "status", "created_at"], name="durable_runs_namespace_status_idx")


class Migration(migrations.Migration):
    dependencies = [("durable", "0001_durable_tables")]
    operations = [
        EnsureDurableTables(),
        ModelsOnly(AddField("DurableWorkflowRun", "namespace", KeyField(default="default", db_default="default"))),
        ModelsOnly(AddField("DurableWorkflowRun", "origin", KeyField(null=True))),
        ModelsOnly(AddIndex("DurableWorkflowRun", _INDEX)),
    ]
"""


def without_tomorrow(migration: str) -> str:
    words = ('("namespace",', '("origin",', '["namespace",')
    return "\n".join(line for line in migration.splitlines() if not any(word in line for word in words))


def forget_tomorrow(host: TortoiseHost) -> None:
    """Take away from the tables what an older version would not have made."""
    table = " ON durable_workflow_runs" if host.address.backend == "mariadb" else ""
    host.execute(
        f"DROP INDEX durable_runs_namespace_status_idx{table}",
        "ALTER TABLE durable_workflow_runs DROP COLUMN namespace",
        "ALTER TABLE durable_workflow_runs DROP COLUMN origin",
        "DELETE FROM durable_schema_meta",
        "INSERT INTO durable_workflow_runs (id, workflow, workflow_version, status, created_at, updated_at) "
        "VALUES ('old', 'w', '1', 'completed', '2026-03-04 12:00:00.123', '2026-03-04 12:00:00.123')",
    )


@BACKENDS
@pytest.mark.slow
def test_migrate_and_again_after_an_upgrade_of_durable_and_back(
    name: str, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_tortoise()
    before = host.own()
    host.write("shipped/__init__.py", "")
    initial = (SHIPPED / "0001_durable_tables.py").read_text()
    host.write("shipped/0001_durable_tables.py", without_tomorrow(initial))
    host.configure("shop.models", migrations="shop.history", durable={**OWN_APP, "migrations": "shipped"})

    assert "Applying durable.0001_durable_tables... OK" in host.tortoise("migrate")
    assert host.own() == before
    made = host.durable()
    forget_tomorrow(host)
    host.write("shipped/0002_tomorrow.py", TOMORROW)
    assert "Applying durable.0002_tomorrow... OK" in host.tortoise("migrate")
    assert host.execute("SELECT id, namespace, origin FROM durable_workflow_runs") == [("old", "default", None)]
    assert boots_on(host.address, auto_schema=False) == ["old"]
    if name != "sqlite":  # which keeps a statement's spelling, not what it meant
        assert host.durable() == made
    assert "No changes detected" in host.tortoise("makemigrations")

    host.tortoise("downgrade", "durable", "0001_durable_tables")
    assert host.execute("SELECT id FROM durable_workflow_runs") == [("old",)]
    host.tortoise("downgrade", "durable")
    assert host.durable() == set()
    assert host.own() == before


@pytest.mark.parametrize(
    "name",
    [
        *("sqlite", "postgres", "mariadb"),
        pytest.param(
            "postgres3",
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason="over psycopg Tortoise's tool cannot note what it has applied, whosever migration that is",
            ),
        ),
    ],
)
def test_the_shipped_migrations_are_all_that_the_models_need(
    name: str, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    for file in SHIPPED.glob("*.py"):  # a copy, since the tool would write into the package
        host.write(f"shipped/{file.name}", file.read_text())
    # A label of the host's own choice.
    host.configure("shop.models", migrations="shop.history", jobs={**OWN_APP, "migrations": "shipped"})
    assert "jobs" not in host.tortoise("makemigrations")
    assert "No changes detected" in host.tortoise("makemigrations")
    host.configure("shop.models", migrations="shop.history", jobs=OWN_APP)
    assert "Applying jobs.0001_durable_tables... OK" in host.tortoise("migrate")
    assert boots_on(host.address, auto_schema=False) == []


@BACKENDS
def test_the_models_in_the_host_s_own_app(name: str, fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_tortoise()
    before = host.own()
    host.configure("shop.models", DURABLE, migrations="shop.history")
    assert "Created shop.0002" in host.tortoise("makemigrations")
    host.tortoise("migrate")
    assert host.own() == before
    assert boots_on(host.address, auto_schema=False) == []
    if name != "sqlite":  # which keeps a statement's spelling, not what it meant
        ours = TortoiseHost(tmp_path / "ours", fresh_database(name))
        assert boots_on(ours.address) == []
        assert ours.durable() == host.durable()
    assert "No changes detected" in host.tortoise("makemigrations")


def test_a_database_administrator_reads_what_migrate_would_run(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database("postgres"))
    host.configure("shop.models", durable=OWN_APP)
    forwards = host.tortoise("sqlmigrate", "durable", "0001_durable_tables")
    backwards = host.tortoise("sqlmigrate", "durable", "0001_durable_tables", "--backward")
    for table in managed_tables():
        assert f'CREATE TABLE "{table}"' in forwards
        assert f'DROP TABLE IF EXISTS "{table}"' in backwards
    host.execute(forwards)
    assert boots_on(host.address, auto_schema=False) == []
