from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import FreshDatabase
from examples.shops.fastapi_program import FastapiShop
from examples.shops.flask_program import FlaskShop
from examples.shops.running_shop import RunningShop

_SHOPS: dict[str, type[RunningShop]] = {"flask": FlaskShop, "fastapi": FastapiShop}


@pytest.fixture(params=[f"{shop}-{backend}" for shop in _SHOPS for backend in ("sqlite", "postgres", "mariadb")])
def shop(request: pytest.FixtureRequest, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[RunningShop]:
    """Each shop with ten teapots on each server in turn; the test starts its web server and its workers."""
    name, _, backend = request.param.partition("-")
    with _SHOPS[name].opened(fresh_database(backend), tmp_path) as running:
        yield running
