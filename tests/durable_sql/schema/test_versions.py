"""A database that is too old is named at boot, with what is needed instead."""

from __future__ import annotations

import pytest

from durable_core.drive import run_blocking
from durable_core.errors import ConfigurationError
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE, Dialect
from durable_sql.schema.ensure import ensure_schema, verify_schema
from durable_sql.schema.gate import check_version
from recording_session import RecordingSession


@pytest.mark.parametrize(
    ("dialect", "version"),
    [
        (SQLITE, "3.35.0"),
        (SQLITE, "3.40.1"),
        (SQLITE, "4.0"),
        (POSTGRES, "120000"),
        (POSTGRES, "150018"),
        (MYSQL, "8.0.1"),
        (MYSQL, "8.0.36-0ubuntu0.22.04.1"),
        (MYSQL, "9.1.0"),
        (MYSQL, "10.6.0-MariaDB"),
        (MYSQL, "10.11.19-MariaDB-deb12"),
        (MYSQL, "5.5.5-10.11.6-MariaDB"),
        (MYSQL, "11.4.2-MariaDB-log"),
    ],
)
def test_a_supported_version_passes(dialect: Dialect, version: str) -> None:
    check_version(dialect, version)


@pytest.mark.parametrize(
    ("dialect", "version", "needed"),
    [
        (SQLITE, "3.34.1", "SQLite 3.35"),
        (SQLITE, "3.9.2", "SQLite 3.35"),
        (POSTGRES, "110022", "PostgreSQL 12"),
        (POSTGRES, "90624", "PostgreSQL 12"),
        (MYSQL, "8.0.0-dmr", "MySQL 8.0.1"),
        (MYSQL, "5.7.44-log", "MySQL 8.0.1"),
        (MYSQL, "10.5.23-MariaDB", "MariaDB 10.6"),
        (MYSQL, "5.5.5-10.5.9-MariaDB", "MariaDB 10.6"),
    ],
)
def test_an_old_version_is_refused_with_what_is_needed(dialect: Dialect, version: str, needed: str) -> None:
    with pytest.raises(ConfigurationError, match=needed) as refused:
        check_version(dialect, version)
    assert version in str(refused.value)


def test_boot_asks_the_database_for_its_version(session: RecordingSession, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("durable_sql.schema.gate.check_version", lambda _dialect, version: asked.append(version))
    run_blocking(ensure_schema(session))
    run_blocking(verify_schema(session))
    assert len(asked) >= 2
    monkeypatch.undo()
    for version in asked:
        check_version(session.dialect, version)
