from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import FreshDatabase
from examples.flask_shop.running_shop import RunningShop


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def shop(request: pytest.FixtureRequest, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[RunningShop]:
    """A shop with ten teapots on each server in turn; the test starts its web server and its workers."""
    with RunningShop.opened(fresh_database(request.param), tmp_path) as running:
        yield running
