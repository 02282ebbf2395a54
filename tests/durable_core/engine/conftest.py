"""A shop: an application's own tables on each database, with durable runs in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from database_servers import BackendAddress
from durable_peewee import PeeweeStateStore
from durable_shop import Shop
from peewee_databases import open_peewee


@pytest.fixture
def shop(any_database: BackendAddress) -> Iterator[Shop]:
    """On each backend in turn, with a pool where there is a server."""
    database = open_peewee(any_database, pooled=any_database.server is not None)
    shop = Shop(any_database, database, PeeweeStateStore(database))
    yield shop
    shop.close()
