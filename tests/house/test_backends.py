"""The databases that the other tests stand on."""

from __future__ import annotations

import pytest
from playhouse.pool import PooledDatabase

from backends import FreshDatabase
from database_servers import BackendAddress
from peewee_databases import open_peewee
from workspace import ROOT

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("pooled", [False, True])
def test_every_backend_opens_in_peewee(any_database: BackendAddress, *, pooled: bool) -> None:
    database = open_peewee(any_database, pooled=pooled)
    with database.connection_context():
        database.execute_sql("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        database.execute_sql("INSERT INTO things VALUES (7)")
        assert database.execute_sql("SELECT id FROM things").fetchone() == (7,)
    assert isinstance(database, PooledDatabase) == pooled
    if isinstance(database, PooledDatabase):
        database.close_all()


def test_the_two_postgres_cells_use_different_drivers(fresh_database: FreshDatabase) -> None:
    drivers = set()
    for name in ("postgres", "postgres3"):
        database = open_peewee(fresh_database(name))
        with database.connection_context():
            drivers.add(type(database.connection()).__module__.partition(".")[0])
    assert drivers == {"psycopg2", "psycopg"}


def test_a_fresh_database_is_empty_each_time(backend: str, fresh_database: FreshDatabase) -> None:
    first, second = fresh_database(backend), fresh_database(backend)
    assert first.database != second.database
    for address in (first, second):
        database = open_peewee(address)
        with database.connection_context():
            assert database.get_tables() == []
            database.execute_sql("CREATE TABLE things (id INTEGER PRIMARY KEY)")


def test_an_address_survives_the_way_to_another_process(any_database: BackendAddress) -> None:
    assert BackendAddress.from_json(any_database.to_json()) == any_database


@pytest.mark.parametrize(
    ("required", "known"),
    [
        ("all", True),
        ("sqlite, memory", True),
        ("memory-offloaded,peewee-sqlite,peewee-mariadb", True),
        ("tortoise-asyncpg,tortoise-aiomysql", True),
        ("pony-sqlite,pony-postgres,pony-mariadb", True),
        ("tortoise-mariadb", False),
        ("pony-postgres3", False),
        ("peewee-sqllite", False),
        ("sqlite,memry", False),
    ],
)
def test_a_required_cell_that_is_misspelt_is_refused(pytester: pytest.Pytester, required: str, *, known: bool) -> None:
    pytester.makeini(f"[pytest]\npythonpath = {ROOT / 'tests'}")
    pytester.makeconftest('pytest_plugins = ["backends"]')
    result = pytester.runpytest_subprocess(f"--durable-require={required}")
    assert result.ret == (pytest.ExitCode.NO_TESTS_COLLECTED if known else pytest.ExitCode.USAGE_ERROR)
    if not known:
        result.stderr.fnmatch_lines(["*--durable-require names no cell of ours: *"])
