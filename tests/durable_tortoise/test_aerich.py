"""Aerich makes the durable tables and brings them up to date, beside the host's own tables and history."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from backends import FreshDatabase
from durable_tortoise import models
from tortoise_boots import boots_on
from tortoise_host import DURABLE, TortoiseHost

pytestmark = pytest.mark.slow

BACKENDS = pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb"])
A_RUN = (
    "INSERT INTO durable_workflow_runs (id, workflow, workflow_version, status, created_at, updated_at) "
    "VALUES ('old', 'w', '1', 'completed', '2026-03-04 12:00:00.123', '2026-03-04 12:00:00.123')"
)
#: Columns and an index that the version before this one did not have.
NEW_COLUMNS = {"namespace", "origin"}
NEW_INDEX = "durable_runs_created_idx"


def yesterdays_models() -> str:
    """The models module as it was before *NEW_COLUMNS* and *NEW_INDEX*."""
    kept = [
        line for line in inspect.getsource(models).splitlines() if line.strip().partition(" ")[0] not in NEW_COLUMNS
    ]
    old = f"if not {NEW_COLUMNS} & {{*index.columns}} and index.name != {NEW_INDEX!r}"
    return "\n".join(kept).replace("for index in table.indexes", f"for index in table.indexes {old}")


@BACKENDS
def test_register_migrate_upgrade_and_again_after_an_upgrade_of_durable(
    name: str, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_aerich()
    before = host.own()

    host.write("yesterday.py", yesterdays_models())
    host.configure("shop.models", "aerich.models", "yesterday")
    host.aerich("migrate", "--name", "add_durable")
    host.aerich("upgrade")
    assert host.own() == before
    host.execute(A_RUN)
    assert not {row[2] for row in host.durable()} & {*NEW_COLUMNS, NEW_INDEX}

    host.configure("shop.models", "aerich.models", DURABLE)
    host.aerich("migrate", "--name", "durable_has_grown")
    host.aerich("upgrade")
    assert host.own() == before
    assert host.execute("SELECT id, namespace, origin FROM durable_workflow_runs") == [("old", "default", None)]
    made = host.durable()
    assert boots_on(host.address, auto_schema=False) == ["old"]
    assert boots_on(host.address) == ["old"]
    assert host.durable() == made
    if name != "sqlite":  # which keeps a statement's spelling, not what it meant
        ours = TortoiseHost(tmp_path / "ours", fresh_database(name))
        assert boots_on(ours.address) == []
        assert ours.durable() == made
    assert "No changes detected" in host.aerich("migrate")


def test_an_upgrade_that_a_boot_has_made_already_is_faked(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    host = TortoiseHost(tmp_path, fresh_database("sqlite"))
    host.write("yesterday.py", yesterdays_models())
    host.configure("aerich.models", "yesterday")
    host.aerich("init", "-t", "shop.settings.TORTOISE_ORM", "--location", "./aerich_history")
    host.aerich("init-db")
    host.execute(A_RUN)
    assert boots_on(host.address) == ["old"]
    made = host.durable()

    host.configure("aerich.models", DURABLE)
    host.aerich("migrate", "--name", "durable_has_grown")
    with pytest.raises(AssertionError, match="duplicate column"):
        host.aerich("upgrade")
    host.aerich("upgrade", "--fake")
    assert host.durable() == made
    assert boots_on(host.address, auto_schema=False) == ["old"]
    assert "No changes detected" in host.aerich("migrate")
