"""What one of several processes does that boot together."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier

from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_sql.schema.ddl import managed_tables
from durable_sql.schema.ensure import ensure_schema
from peewee_databases import open_peewee
from recording_session import RecordingSession

__all__ = ["ensure_together"]


def ensure_together(address: str, barrier: Barrier, rounds: int) -> None:
    """Ensure the schema the moment that every other process does, as often as *rounds* says."""
    database = open_peewee(BackendAddress.from_json(address))
    session = RecordingSession(database)
    for turn in range(rounds):
        with database.connection_context():
            barrier.wait(60)
            run_blocking(ensure_schema(session))
            if barrier.wait(60) == 0 and turn < rounds - 1:
                for name in managed_tables(marker=True):
                    database.execute_sql(f"DROP TABLE {name}")
            barrier.wait(60)
