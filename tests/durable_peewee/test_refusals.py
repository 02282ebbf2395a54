"""What a Peewee store cannot serve is refused with what to do about it, before anything is written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import peewee
import pytest

from durable_core.drive import run_blocking
from durable_core.errors import (
    BlockingStoreOnEventLoop,
    ConfigurationError,
    IdentifierTooLong,
    InvalidIdentifier,
    InvalidInstant,
    InvalidValue,
    NotJsonSerializable,
    SchemaMissing,
    StoreError,
)
from durable_core.queries import RunQuery
from durable_core.records import RunPatch
from durable_core.store import BlockingStateStore
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, CellOn, Ran, a_checkpoint, a_run


def test_it_is_a_blocking_store(tmp_path: Path) -> None:
    store: BlockingStateStore = PeeweeStateStore(peewee.SqliteDatabase(str(tmp_path / "x.db")))

    assert store.blocking is True


@pytest.mark.parametrize("name", [":memory:", "", "file::memory:?cache=shared", "file:x?mode=memory&cache=shared"])
def test_a_database_in_memory_is_refused_with_the_reason(name: str) -> None:
    database = peewee.SqliteDatabase(name or None, uri=name.startswith("file:"))
    if not name:
        database.init("")
        database.deferred = False

    with pytest.raises(ConfigurationError, match="InMemoryStateStore"):
        run_blocking(PeeweeStateStore(database).get_run("r"))


def test_a_database_without_a_name_and_a_proxy_without_a_database_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="init"):
        run_blocking(PeeweeStateStore(peewee.SqliteDatabase(None)).get_run("r"))
    with pytest.raises(ConfigurationError, match="initialize"):
        run_blocking(PeeweeStateStore(peewee.DatabaseProxy()).get_run("r"))


def test_a_deferred_database_is_served_once_it_has_its_name(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    database = peewee.SqliteDatabase(None)
    store = PeeweeStateStore(database)
    with pytest.raises(ConfigurationError):
        run_blocking(store.get_run("r"))

    database.init(cell.address.database)

    assert run_blocking(store.get_run("r")) is None


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="PostgresqlDatabase"):
        run_blocking(PeeweeStateStore(peewee.Database("x")).get_run("r"))
    with pytest.raises(ConfigurationError, match="offload"):
        run_blocking(PeeweeStateStore(_LikePwasyncio(str(tmp_path / "x.db"))).get_run("r"))


class _LikePwasyncio(peewee.SqliteDatabase):
    """What tells playhouse.pwasyncio's databases apart; they themselves need greenlet."""

    async def aexecute(self, query: Any) -> None: ...


def test_on_a_running_event_loop_it_says_what_to_use(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    database = cell.database()
    store = cell.store(database)

    async def call(make: Any) -> None:
        with pytest.raises(BlockingStoreOnEventLoop, match=r"AsyncDurable\(offload\(PeeweeStateStore\(db\)\)\)"):
            await make()

    with Ran.on(database) as ran:
        asyncio.run(call(lambda: store.create_run(a_run("r"))))
        asyncio.run(call(lambda: store.get_run("r")))
        asyncio.run(call(lambda: store.delete_run("r")))

    assert len(ran) == ran.begun == 0
    assert database.is_closed()


def test_missing_tables_say_how_to_make_them(empty_cell: Cell) -> None:
    store = empty_cell.store()

    for call in (
        lambda: store.get_run("r"),
        lambda: store.create_run(a_run("r")),
        lambda: store.claim_runs("o", NOW_MS, NOW_MS, 1),
    ):
        with pytest.raises(SchemaMissing, match="ensure_schema"):
            run_blocking(call())


def test_bad_values_never_reach_the_database(cell_on: CellOn) -> None:
    database = cell_on("sqlite").database()
    store = PeeweeStateStore(database)
    naive = NOW.replace(tzinfo=None)
    refused: list[tuple[type[Exception], Any]] = [
        (IdentifierTooLong, lambda: store.create_run(a_run("x" * 192))),
        (InvalidIdentifier, lambda: store.get_run("x ")),
        (InvalidIdentifier, lambda: store.get_run("")),
        (InvalidIdentifier, lambda: store.get_run("a\x00b")),
        (InvalidIdentifier, lambda: store.list_pending_runs(1, "a\ud800")),
        (NotJsonSerializable, lambda: store.create_run(a_run("r", input={1, 2}))),
        (NotJsonSerializable, lambda: store.create_run(a_run("r", search_attributes={"n": float("nan")}))),
        (NotJsonSerializable, lambda: store.save_checkpoint(a_checkpoint("r", 1, output=[float("inf")]))),
        (NotJsonSerializable, lambda: store.deliver_signal("t", b"x", NOW)),
        (InvalidInstant, lambda: store.create_run(a_run("r", created_at=naive))),
        (InvalidInstant, lambda: store.suspend_run("r", "o", NOW_MS, naive)),
        (InvalidInstant, lambda: store.claim_runs("o", 10**18, NOW_MS, 1)),
        (InvalidInstant, lambda: store.update_run("r", RunPatch(wake_at_ms=-(10**18)))),
        (InvalidValue, lambda: store.list_pending_runs(-1)),
        (InvalidValue, lambda: store.list_runs(RunQuery(limit=-1))),
    ]

    with Ran.on(database) as ran:
        for kind, call in refused:
            with pytest.raises(kind):
                run_blocking(call())

    assert len(ran) == ran.begun == 0


def _journal(path: Path, **options: Any) -> str:
    database = peewee.SqliteDatabase(str(path), pragmas=options.pop("pragmas", None))
    store = PeeweeStateStore(database, **options)
    run_blocking(store.ensure_schema())
    run_blocking(store.create_run(a_run("r")))
    with database.connection_context():
        return str(database.pragma("journal_mode"))


def test_a_file_gets_a_wal_unless_the_host_says_otherwise(tmp_path: Path) -> None:
    assert _journal(tmp_path / "a.db") == "wal"
    assert _journal(tmp_path / "b.db", pragmas={"journal_mode": "truncate"}) == "truncate"
    assert _journal(tmp_path / "c.db", sqlite_pragmas=False) == "delete"


def test_a_file_gets_a_busy_timeout_unless_the_host_says_otherwise(tmp_path: Path) -> None:
    def timeout(**options: Any) -> int:
        sqlite_pragmas = options.pop("sqlite_pragmas", True)
        database = peewee.SqliteDatabase(str(tmp_path / "x.db"), **options)
        run_blocking(PeeweeStateStore(database, sqlite_pragmas=sqlite_pragmas).ensure_schema())
        with database.connection_context():
            return int(database.pragma("busy_timeout"))

    assert timeout() == 5_000
    assert timeout(timeout=2) == 2_000
    assert timeout(timeout=0) == 5_000
    assert timeout(timeout=0, pragmas={"busy_timeout": 7}) == 7
    assert timeout(timeout=0, sqlite_pragmas=False) == 0


def test_a_run_whose_attributes_are_refused_is_not_there_at_all(cell: Cell) -> None:
    store = cell.store()
    key = store.session.dialect.quoted("key")
    store.session.raw.execute_sql(f"INSERT INTO durable_run_attributes (run_id, {key}) VALUES ('r', 'n')")

    with pytest.raises(StoreError):
        run_blocking(store.create_run(a_run("r", search_attributes={"n": 1})))
    assert run_blocking(store.get_run("r")) is None

    run_blocking(store.create_run(a_run("s", priority=1)))
    store.session.raw.execute_sql("DROP TABLE durable_run_attributes")
    with pytest.raises(SchemaMissing):
        run_blocking(store.update_run("s", RunPatch(priority=2, search_attributes={"n": 1})))
    run = run_blocking(store.get_run("s"))
    assert run is not None
    assert run.priority == 1
