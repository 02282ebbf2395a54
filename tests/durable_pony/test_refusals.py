"""What a Pony store cannot serve is refused with what to do about it; what is the host's stays as it was."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pony.orm import Database, db_session

from backends import FreshDatabase
from database_probe import Probe
from durable_core.drive import run_blocking
from durable_core.errors import BlockingStoreOnEventLoop, ConfigurationError, SchemaMissing
from durable_core.store import BlockingStateStore
from durable_pony import PonyStateStore, ensure_pony_schema
from peewee_cells import NOW_MS, a_run
from pony_cells import PonyCell
from pony_databases import open_pony


def test_it_is_a_blocking_store() -> None:
    store: BlockingStateStore = PonyStateStore(Database())

    assert store.blocking is True


@pytest.mark.parametrize("name", [":memory:", ":sharedmemory:"])
def test_a_database_in_memory_is_refused_with_the_reason(name: str) -> None:
    database = Database(provider="sqlite", filename=name)

    with pytest.raises(ConfigurationError, match="InMemoryStateStore"):
        run_blocking(PonyStateStore(database).get_run("r"))
    database.provider.pool.con.close()  # Pony never does, for the data would be gone


def test_an_unbound_database_is_refused_and_served_once_it_is_bound(file_cell: PonyCell) -> None:
    database = Database()
    store = PonyStateStore(database)
    with pytest.raises(ConfigurationError, match="bind"):
        run_blocking(store.get_run("r"))

    database.bind(provider="sqlite", filename=file_cell.address.database)

    assert run_blocking(store.get_run("r")) is None
    database.disconnect()


def test_on_a_running_event_loop_it_says_what_to_use(file_cell: PonyCell) -> None:
    store = file_cell.store()

    async def call(make: Any) -> None:
        with pytest.raises(BlockingStoreOnEventLoop, match=r"AsyncDurable\(offload\(PonyStateStore\(db\)\)\)"):
            await make()

    asyncio.run(call(lambda: store.create_run(a_run("r"))))
    asyncio.run(call(lambda: store.get_run("r")))
    assert file_cell.runs() == []


def test_missing_tables_say_how_to_make_them(empty_cell: PonyCell) -> None:
    store = empty_cell.store()

    for call in (
        lambda: store.get_run("r"),
        lambda: store.create_run(a_run("r")),
        lambda: store.claim_runs("o", NOW_MS, NOW_MS, 1),
    ):
        with pytest.raises(SchemaMissing, match="ensure_schema"):
            run_blocking(call())
    with pytest.raises(SchemaMissing, match=r"ensure_pony_schema\(db\)"):
        run_blocking(store.verify_schema())


def test_the_hosts_migration_makes_the_tables_inside_its_session_where_it_can(empty_cell: PonyCell) -> None:
    database = empty_cell.database()

    class Failed(Exception):
        pass

    def migrate() -> None:
        with db_session:
            database.execute("SELECT 1")
            ensure_pony_schema(database)
            raise Failed

    if empty_cell.name == "mariadb":
        with pytest.raises(SchemaMissing, match=r"durable\.boot\(\)"):
            migrate()
    else:
        with pytest.raises(Failed):
            migrate()
    with pytest.raises(SchemaMissing):
        run_blocking(PonyStateStore(database).get_run("r"))

    ensure_pony_schema(database)
    assert run_blocking(PonyStateStore(database).get_run("r")) is None


def test_a_connection_that_cannot_carry_every_text_is_refused(fresh_database: FreshDatabase) -> None:
    address = fresh_database("mariadb")
    database = open_pony(address, charset="utf8mb3")
    store = PonyStateStore(database)

    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"db\.bind\(provider='mysql', charset='utf8mb4'"):
            run_blocking(store.ensure_schema())
    with db_session, pytest.raises(ConfigurationError, match="utf8mb4"):
        run_blocking(store.create_run(a_run("r")))
    probe = Probe(address)
    assert probe.execute("SHOW TABLES") == []
    probe.close()


def _journal(path: Path, *, asked: str | None = None, **options: Any) -> str:
    database = Database()
    if asked is not None:

        @database.on_connect(provider="sqlite")  # type: ignore[untyped-decorator] # Pony has no types
        def choose(_db: Any, connection: Any) -> None:
            connection.execute(f"PRAGMA journal_mode = {asked}")

    database.bind(provider="sqlite", filename=str(path), create_db=True)
    ensured = PonyStateStore(database, **options)
    run_blocking(ensured.ensure_schema())
    with db_session:
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    database.disconnect()
    return str(mode)


def test_a_file_gets_a_wal_unless_the_host_says_otherwise(tmp_path: Path) -> None:
    assert _journal(tmp_path / "ours.db") == "wal"
    assert _journal(tmp_path / "theirs.db", asked="truncate") == "truncate"
    assert _journal(tmp_path / "left.db", sqlite_pragmas=False) == "delete"


def test_importing_the_adapter_changes_nothing_in_the_process() -> None:
    # Pony's PostgreSQL provider makes psycopg2 give JSON as text to everyone; it is loaded by a bind, not by us.
    program = (
        "import sys, durable_pony\n"
        "assert 'psycopg2' not in sys.modules and 'pymysql' not in sys.modules\n"
        "assert 'pony.orm.dbproviders.postgres' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
