"""The Tortoise models lay the tables out exactly as our DDL does, composite keys included."""

from __future__ import annotations

import asyncio
from typing import Any

import peewee
import pytest
from tortoise import Tortoise

from backends import FreshDatabase
from catalogues import catalogue
from database_servers import BackendAddress
from durable_peewee import ensure_peewee_schema
from durable_sql.schema.tables import TABLES, Kind, Table
from durable_tortoise import models
from peewee_databases import open_peewee
from tortoise_models import models_on

FIELDS: dict[Kind, set[str]] = {
    Kind.KEY: {"KeyField", "CompositeKeyField"},
    Kind.JSON: {"JsonField"},
    Kind.INSTANT: {"InstantField"},
    Kind.INTEGER: {"WholeField"},
    Kind.NUMBER: {"FloatField"},
    Kind.SEQUENCE: {"SequenceField"},
}
MODELS: dict[str, Any] = {(model := getattr(models, name))._meta.db_table: model for name in models.__all__}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_key_and_index_is_the_declared_one(table: Table) -> None:
    meta = MODELS[table.name]._meta
    fields = {meta.fields_db_projection[name]: meta.fields_map[name] for name in meta.fields_db_projection}
    assert set(fields) == set(table.column_names)
    for column in table.columns:
        field = fields[column.name]
        assert field.model_field_name == column.name
        assert type(field).__name__ in FIELDS[column.kind], column.name
        assert field.null == column.nullable, column.name
        assert field.default == column.default, column.name
        assert (field.db_default if field.has_db_default() else None) == column.default, column.name
    assert getattr(meta.pk, "of", (meta.pk_attr,)) == table.primary_key
    assert {(index.name, tuple(index.fields)) for index in meta.indexes} == {
        (index.name, index.columns) for index in table.indexes
    }


def test_every_table_has_a_model() -> None:
    assert set(MODELS) == {table.name for table in TABLES}


def test_tortoise_s_own_ddl_makes_our_very_tables(backend: str, fresh_database: FreshDatabase) -> None:
    async def generate(address: BackendAddress) -> None:
        async with models_on(address):
            await Tortoise.generate_schemas(safe=False)

    made = []
    for by_tortoise in (True, False):
        address = fresh_database(backend)
        database = open_peewee(address)
        with database.connection_context():
            if by_tortoise:
                asyncio.run(generate(address))
            else:
                ensure_peewee_schema(database)
            made.append(_columns(database) if backend == "sqlite" else _catalogue(database))
    assert made[0] == made[1]


def _catalogue(database: peewee.Database) -> set[tuple[Any, ...]]:
    rows = catalogue(database, without=["durable_schema_meta"])
    # MySQL's default for columns that name no collation: each of ours names one.
    return {row for row in rows if row[1] != "table"}


def _columns(database: peewee.Database) -> set[tuple[Any, ...]]:
    # SQLite keeps each statement's spelling, so what it understood is compared instead: by name, not by position.
    tables = [table.name for table in TABLES]
    found: set[tuple[Any, ...]] = {
        (table, *(value.lower() if isinstance(value, str) else value for value in row[1:]))
        for table in tables
        for pragma in ("table_xinfo", "index_list")
        for row in database.execute_sql(f"SELECT * FROM pragma_{pragma}('{table}')").fetchall()
        if not str(row[1]).startswith("sqlite_autoindex")
    }
    counting = database.execute_sql("SELECT tbl_name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'").fetchall()
    return found | {tuple(row) for row in counting}
