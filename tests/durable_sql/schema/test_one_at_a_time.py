"""While one process creates tables, every other waits; and what it then finds done, it does not do again."""

from __future__ import annotations

import threading

import peewee
import pytest

from backends import FreshDatabase
from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_sql.schema.ensure import ensure_schema
from durable_sql.schema.on_postgres import POSTGRES_LAYOUT
from durable_sql.session import Statement
from peewee_databases import open_peewee
from recording_session import RecordingSession

LOCK_IS_FREE = "SELECT IS_FREE_LOCK(CONCAT('durable_schema:', MD5(DATABASE())))"
LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Watched(RecordingSession):
    """Looks from outside whether the lock is held, each time that a table or index is created."""

    def __init__(self, database: peewee.Database, observer: peewee.Database) -> None:
        super().__init__(database)
        self.observer = observer
        self.held: list[bool] = []

    async def execute(self, statement: Statement) -> int:
        if statement.sql.startswith("CREATE"):
            self.held.append(is_held(self.observer))
        return await super().execute(statement)


def is_held(observer: peewee.Database) -> bool:
    with observer.connection_context():
        if isinstance(observer, peewee.MySQLDatabase):
            return bool(observer.execute_sql(LOCK_IS_FREE).fetchone()[0] == 0)
        if isinstance(observer, peewee.SqliteDatabase):
            try:
                with observer.atomic("IMMEDIATE"):
                    return False
            except peewee.OperationalError:
                return True
        return bool(observer.execute_sql(LOCKS).fetchone()[0])


def test_the_lock_is_held_for_every_statement_and_then_free(any_database: BackendAddress) -> None:
    observer = open_peewee(any_database)
    if isinstance(observer, peewee.SqliteDatabase):
        observer.timeout = 0
    database = open_peewee(any_database)
    with database.connection_context():
        watched = Watched(database, observer)
        run_blocking(ensure_schema(watched))
        assert not is_held(observer), "the lock outlives its use on a connection that stays open"
    assert watched.held
    assert all(watched.held)


@pytest.mark.parametrize("isolation", ["repeatable\\ read", "serializable"])
def test_whoever_waited_sees_what_was_done_meanwhile(fresh_database: FreshDatabase, isolation: str) -> None:
    address = fresh_database("postgres")
    first, observer = open_peewee(address), open_peewee(address)
    late = RecordingSession(open_peewee(address, options=f"-c default_transaction_isolation={isolation}"))
    thread = threading.Thread(target=lambda: run_blocking(ensure_schema(late)))
    with first.connection_context(), observer.connection_context():
        with first.atomic():
            run_blocking(ensure_schema(RecordingSession(first), inside_transaction=True))
            thread.start()
            while not observer.execute_sql(f"{LOCKS} AND NOT granted").fetchone()[0]:
                assert thread.is_alive()
        thread.join(30)
    assert not thread.is_alive()
    assert POSTGRES_LAYOUT.transaction_lock in late.statements
    assert not [one for one in late.statements if one.startswith(("CREATE", "ALTER"))]
