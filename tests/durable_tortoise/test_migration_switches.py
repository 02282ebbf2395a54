"""From one way of migrating to another, on the same tables: nothing is lost and nothing is made twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backends import FreshDatabase
from tortoise_boots import boots_on
from tortoise_host import DURABLE, OWN_APP, TortoiseHost

pytestmark = pytest.mark.slow

A_RUN = (
    "INSERT INTO durable_workflow_runs (id, workflow, workflow_version, status, created_at, updated_at) "
    "VALUES ('kept', 'w', '1', 'completed', '2026-03-04 12:00:00.123', '2026-03-04 12:00:00.123')"
)


@pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb"])
def test_from_boot_to_aerich_to_tortoise_s_own_tool_and_back(
    name: str, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    host = TortoiseHost(tmp_path, fresh_database(name))
    host.begin_with_aerich()
    before = host.own()
    boots_on(host.address)
    host.execute(A_RUN)
    made = host.durable()

    def nothing_is_lost() -> bool:
        same = (host.own(), host.durable()) == (before, made)
        return same and boots_on(host.address, auto_schema=False) == ["kept"]

    host.configure("shop.models", "aerich.models", DURABLE)
    host.aerich("migrate", "--name", "durable_by_aerich")
    host.aerich("upgrade")
    assert nothing_is_lost()
    assert "No changes detected" in host.aerich("migrate")

    host.configure("shop.models", "aerich.models", durable=OWN_APP)
    host.tortoise("migrate", "durable")
    assert nothing_is_lost()
    # Aerich takes models that it no longer sees for tables to drop, and its file has to be told otherwise.
    host.aerich("--app", "shop", "migrate", "--name", "durable_leaves")
    file = host.latest_aerich_migration()
    drops = re.compile(r"DROP TABLE IF EXISTS .durable_\w+.;")
    assert len(drops.findall(file.read_text())) == 6
    file.write_text(drops.sub("SELECT 1;", file.read_text()))
    host.aerich("--app", "shop", "upgrade")
    assert nothing_is_lost()
    assert "No changes detected" in host.aerich("--app", "shop", "migrate")

    host.configure("shop.models", "aerich.models", DURABLE)
    host.aerich("migrate", "--name", "durable_returns")
    host.aerich("upgrade")
    assert nothing_is_lost()
    boots_on(host.address)
    assert nothing_is_lost()
