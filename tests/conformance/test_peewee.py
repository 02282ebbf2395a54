"""PeeweeStateStore keeps the contract on every database that it serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends import Backends
from durable_conformance import Harness, StoreContract
from peewee_harness import PeeweeHarness


@pytest.fixture(scope="class")
def durable_harness(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    harness: PeeweeHarness = request.cls.harness
    harness.place(backends, tmp_path_factory.mktemp(harness.name))
    yield harness
    harness.close()


class TestPeeweeSqlite(StoreContract):
    harness = PeeweeHarness("sqlite")


class TestPeeweePostgres(StoreContract):
    harness = PeeweeHarness("postgres")


class TestPeeweePostgres3(StoreContract):
    harness = PeeweeHarness("postgres3")


class TestPeeweeMariadb(StoreContract):
    harness = PeeweeHarness("mariadb")
