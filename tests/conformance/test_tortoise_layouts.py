"""TortoiseStateStore keeps the contract on tables that Tortoise's own tools made: one tool on each database.

That every tool makes the same tables on every database, tests/durable_tortoise holds against the catalogues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from tortoise import Tortoise

from backends import Backends
from durable_conformance import Harness
from durable_conformance.contract.attributes import AttributeClauses
from durable_conformance.contract.checkpoint_names import CheckpointNameClauses
from durable_conformance.contract.checkpoints import CheckpointClauses
from durable_conformance.contract.events import EventClauses
from durable_conformance.contract.fences import FenceClauses
from durable_conformance.contract.identifiers import IdentifierClauses
from durable_conformance.contract.instants import InstantClauses
from durable_conformance.contract.patches import PatchClauses
from durable_conformance.contract.payloads import PayloadClauses
from durable_conformance.contract.polls import PollClauses
from durable_conformance.contract.runs import RunClauses
from durable_conformance.contract.signal_consumption import SignalConsumptionClauses
from durable_conformance.contract.signal_delivery import SignalDeliveryClauses
from durable_conformance.contract.signals import SignalClauses
from durable_sql.schema.ddl import managed_tables
from tortoise_harness import TortoiseHarness
from tortoise_host import DURABLE, TortoiseHost
from tortoise_models import models_on


def by_generate_schemas(host: TortoiseHost) -> None:
    async def generate() -> None:
        async with models_on(host.address):
            await Tortoise.generate_schemas()

    asyncio.run(generate())


def by_aerich(host: TortoiseHost) -> None:
    host.begin_with_aerich()
    host.configure("shop.models", "aerich.models", DURABLE)
    host.aerich("migrate")
    host.aerich("upgrade")


def by_tortoise(host: TortoiseHost) -> None:
    host.configure("shop.models", DURABLE, migrations="shop.history")
    host.tortoise("makemigrations")
    host.tortoise("migrate")


class LaidOut(TortoiseHarness):
    """Tables made by *tool*, before the store sees the database."""

    def __init__(self, driver: str, tool: Callable[[TortoiseHost], None]) -> None:
        super().__init__(driver)
        self.name = f"tortoise-{driver}-{tool.__name__.removeprefix('by_')}"
        self._tool = tool

    def place(self, databases: Backends, folder: Path) -> None:
        super().place(databases, folder)
        if self._address is not None:
            host = TortoiseHost(folder, self._address)
            self._tool(host)
            assert {row[0] for row in host.durable()} >= {*managed_tables()}  # or the store would make them itself


@pytest.fixture(scope="class")
def durable_harness(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    harness: LaidOut = request.cls.harness
    harness.place(backends, tmp_path_factory.mktemp(harness.name))
    yield harness
    harness.close()


class _OfTables(
    RunClauses,
    PatchClauses,
    CheckpointClauses,
    CheckpointNameClauses,
    FenceClauses,
    PollClauses,
    SignalClauses,
    SignalDeliveryClauses,
    SignalConsumptionClauses,
    EventClauses,
    AttributeClauses,
    PayloadClauses,
    InstantClauses,
    IdentifierClauses,
):
    """The clauses that columns, keys and collations decide."""

    harness: ClassVar[Harness]


class TestGeneratedSchemas(_OfTables):
    harness = LaidOut("sqlite", by_generate_schemas)


class TestAerich(_OfTables):
    harness = LaidOut("asyncpg", by_aerich)


class TestTortoiseMigrations(_OfTables):
    harness = LaidOut("asyncmy", by_tortoise)
