"""TortoiseStateStore keeps the contract on every database and driver that it serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends import Backends
from durable_conformance import Harness, StoreContract
from tortoise_harness import TortoiseHarness


@pytest.fixture(scope="class")
def durable_harness(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    harness: TortoiseHarness = request.cls.harness
    harness.place(backends, tmp_path_factory.mktemp(harness.name))
    yield harness
    harness.close()


class TestTortoiseSqlite(StoreContract):
    harness = TortoiseHarness("sqlite")


class TestTortoiseAsyncpg(StoreContract):
    harness = TortoiseHarness("asyncpg")


class TestTortoisePsycopg(StoreContract):
    harness = TortoiseHarness("psycopg")


class TestTortoiseAsyncmy(StoreContract):
    harness = TortoiseHarness("asyncmy")


class TestTortoiseAiomysql(StoreContract):
    harness = TortoiseHarness("aiomysql")
