from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from database_servers import BackendAddress
from examples.flask_shop.running_shop import RunningShop


@pytest.fixture
def shop(any_database: BackendAddress, tmp_path: Path) -> Iterator[RunningShop]:
    """A shop with ten teapots on each database in turn; the test starts its web server and its workers."""
    with RunningShop.opened(any_database, tmp_path) as running:
        yield running
