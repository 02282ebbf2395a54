from __future__ import annotations

from collections.abc import Iterator

import pytest

from database_servers import BackendAddress
from peewee_databases import open_peewee
from recording_session import RecordingSession


@pytest.fixture
def session(any_database: BackendAddress) -> Iterator[RecordingSession]:
    """An open session on an empty database of each backend in turn."""
    database = open_peewee(any_database)
    with database.connection_context():
        yield RecordingSession(database)
