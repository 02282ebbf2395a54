"""Which shop is tested on which database."""

from __future__ import annotations

from typing import Final

import pytest

from backends import BACKENDS
from examples.shops.fastapi_program import FastapiShop
from examples.shops.flask_program import FlaskShop
from examples.shops.running_shop import RunningShop

__all__ = ["EACH_DATABASE", "EACH_DRIVER", "FASTAPI_ONCE", "ROW_LOCKS", "SHOPS"]

SHOPS: Final[dict[str, type[RunningShop]]] = {"flask": FlaskShop, "fastapi": FastapiShop}

EACH_DATABASE: Final = [f"{shop}-{one}" for shop in SHOPS for one in ("sqlite", "postgres", "mariadb")]
EACH_DRIVER: Final = pytest.mark.parametrize("shop", [f"{one}-{db}" for one in SHOPS for db in BACKENDS], indirect=True)

#: For what the two shops do in the same way, and the stores' own tests show on every database.
FASTAPI_ONCE: Final = pytest.mark.parametrize(
    "shop", ["flask-sqlite", "flask-postgres", "flask-mariadb", "fastapi-postgres"], indirect=True
)

#: SQLite has no row to lock.
ROW_LOCKS: Final = pytest.mark.parametrize(
    "shop", [f"{one}-{db}" for one in SHOPS for db in BACKENDS if db != "sqlite"], indirect=True
)
