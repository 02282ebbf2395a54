from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import FreshDatabase
from examples.shops.cells import EACH_DATABASE, SHOPS
from examples.shops.running_shop import RunningShop


@pytest.fixture(params=EACH_DATABASE)
def shop(request: pytest.FixtureRequest, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[RunningShop]:
    """Each shop with ten teapots on each database in turn; the test starts its web server and its workers."""
    name, _, backend = request.param.partition("-")
    with SHOPS[name].opened(fresh_database(backend), tmp_path) as running:
        yield running
