"""The suite for the store that the command line names: ``pytest --pyargs durable_conformance --durable-store=...``."""

from __future__ import annotations

import pytest

from durable_conformance.contract import StoreContract
from durable_conformance.harness import Harness
from durable_conformance.naming import STORE

__all__ = ["TestStore", "durable_harness", "pytest_generate_tests"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse to collect without a store."""
    if STORE not in metafunc.config.stash:
        raise pytest.Collector.CollectError("say which store to judge: --durable-store=mypkg.harness:Harness")


@pytest.fixture(scope="class")
def durable_harness(request: pytest.FixtureRequest) -> Harness:
    """The harness that the command line names."""
    return request.config.stash[STORE]


class TestStore(StoreContract):
    """Every clause of the profile."""
