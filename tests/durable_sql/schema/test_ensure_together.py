"""Any number of processes may boot at once on an empty database."""

from __future__ import annotations

import multiprocessing

import pytest

from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_sql.schema.ensure import verify_schema
from durable_sql.schema.gate import is_current
from ensuring_process import ensure_together
from peewee_databases import open_peewee
from recording_session import RecordingSession

PROCESSES = 8
ROUNDS = 4


@pytest.mark.slow
def test_eight_processes_ensure_at_once(any_database: BackendAddress) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    arguments = (any_database.to_json(), barrier, ROUNDS)
    crew = [context.Process(target=ensure_together, args=arguments) for _ in range(PROCESSES)]
    for process in crew:
        process.start()
    for process in crew:
        process.join(120)

    assert [process.exitcode for process in crew] == [0] * PROCESSES
    database = open_peewee(any_database)
    with database.connection_context():
        run_blocking(verify_schema(RecordingSession(database)))
        assert run_blocking(is_current(RecordingSession(database)))
