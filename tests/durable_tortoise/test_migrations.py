"""Durable tables without a migration of theirs: made at boot, from a migration of the host's, or asked for by name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tortoise.transactions import in_transaction

from backends import FreshDatabase
from database_servers import BackendAddress
from durable_core.errors import SchemaMissing
from durable_tortoise import ensure_tortoise_schema
from durable_tortoise.schema import drop_tortoise_schema
from tortoise_boots import boots_on
from tortoise_databases import open_tortoise
from tortoise_host import OWN_APP, TortoiseHost
from tortoise_models import DRIVER_OF

BACKENDS = pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb"])
AERICH_CALLS_US = """
from durable_tortoise.schema import drop_tortoise_schema, ensure_tortoise_schema

RUN_IN_TRANSACTION = {in_transaction}


async def upgrade(db):
    await ensure_tortoise_schema(db)
    return "SELECT 1"


async def downgrade(db):
    await drop_tortoise_schema(db)
    return "SELECT 1"
"""
TORTOISE_CALLS_US = """
from durable_tortoise.schema import drop_tortoise_schema, ensure_tortoise_schema
from tortoise import migrations
from tortoise.migrations.operations import RunPython


async def up(apps, editor):
    await ensure_tortoise_schema(editor.client)


async def down(apps, editor):
    await drop_tortoise_schema(editor.client)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [RunPython(up, down)]
"""


@BACKENDS
def test_a_boot_makes_the_tables_of_an_application_that_has_others(
    name: str, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_tortoise()
    before = host.own()
    with pytest.raises(SchemaMissing) as refusal:
        boots_on(host.address, auto_schema=False)
    assert host.durable() == set()
    for told in (
        "aerich migrate",
        "aerich upgrade",
        "tortoise migrate",
        "ensure_tortoise_schema(connection)",
        "CREATE TABLE",
    ):
        assert told in str(refusal.value)
    host.execute(*refusal.value.ddl)
    assert boots_on(host.address, auto_schema=False) == []
    assert boots_on(host.address) == []
    assert host.own() == before


@BACKENDS
def test_a_migration_of_aerich_calls_us(name: str, fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_aerich()
    before = host.own()
    host.aerich("migrate", "--name", "durable", "--empty")
    file = host.latest_aerich_migration()
    state = file.read_text().partition("MODELS_STATE")[2]
    if name == "mariadb":
        file.write_text(AERICH_CALLS_US.format(in_transaction=True) + "\n\nMODELS_STATE" + state)
        with pytest.raises(AssertionError, match=r"SchemaMissing.* this database would commit it"):
            host.aerich("upgrade")
    file.write_text(AERICH_CALLS_US.format(in_transaction=name != "mariadb") + "\n\nMODELS_STATE" + state)
    host.aerich("upgrade")
    assert host.own() == before
    assert boots_on(host.address, auto_schema=False) == []
    assert "No changes detected" in host.aerich("migrate")


@BACKENDS
def test_a_migration_of_tortoise_calls_us(name: str, fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_tortoise()
    before = host.own()
    host.write("shop/history/0002_durable.py", TORTOISE_CALLS_US)
    host.tortoise("migrate")
    assert host.own() == before
    assert boots_on(host.address, auto_schema=False) == []
    host.tortoise("downgrade", "shop", "0001_initial")
    assert (host.own(), host.durable()) == (before, set())


def test_a_transaction_that_its_task_does_not_know_of_is_joined(any_database: BackendAddress) -> None:
    async def ensured() -> None:
        async with await open_tortoise(any_database, DRIVER_OF[any_database.backend]) as context:
            outside = context.connections.get("default")
            async with in_transaction() as connection:
                token = context.connections.set("default", outside)
                if any_database.backend == "mariadb":
                    with pytest.raises(SchemaMissing):
                        await ensure_tortoise_schema(connection)
                else:
                    await ensure_tortoise_schema(connection)
                    await drop_tortoise_schema(connection)
                    await ensure_tortoise_schema(connection)
                context.connections.reset(token)
                await connection.rollback()

    asyncio.run(ensured())
    with pytest.raises(SchemaMissing):
        boots_on(any_database, auto_schema=False)


def test_tables_that_are_there_may_be_faked(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database("sqlite"))
    assert boots_on(host.address) == []
    made = host.durable()
    host.configure("shop.models", durable=OWN_APP)
    host.tortoise("migrate", "durable", "--fake")
    assert "0001_durable_tables" in host.tortoise("history")
    assert "No migrations to apply" in host.tortoise("migrate")
    assert host.durable() == made
