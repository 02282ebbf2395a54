"""What the FastAPI shop has beside the other one: Aerich's tables, and a worker inside the web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import FreshDatabase
from examples.programs import script
from examples.shops.fastapi_program import FastapiShop
from examples.shops.running_shop import SHIPPED, until

BACKENDS = pytest.mark.parametrize("backend", ["sqlite", "postgres", "mariadb"])


@pytest.fixture
def shop(backend: str, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[FastapiShop]:
    """The shop with ten teapots."""
    with FastapiShop.opened(fresh_database(backend), tmp_path) as running:
        yield running


@pytest.mark.parametrize("backend", ["postgres"])
def test_the_committed_migrations_are_those_of_the_models(shop: FastapiShop) -> None:
    assert "No changes detected" in shop.aerich("migrate")


@BACKENDS
def test_without_its_tables_neither_program_starts_and_both_say_what_to_run(shop: FastapiShop) -> None:
    shop.write("DROP TABLE durable_step_checkpoints")
    for program in (shop.start(script("uvicorn"), "fastapi_shop.web:app"), shop.start_worker()):
        assert program.ended() != 0
        said = " ".join(program.output.split())
        assert "durable_step_checkpoints" in said
        assert "`aerich upgrade`" in said


@pytest.mark.slow
@BACKENDS
def test_killed_with_the_worker_inside_it_the_web_server_charges_once_and_ships(shop: FastapiShop) -> None:
    shop.settings |= {"SHOP_EMBEDDED_WORKER": "yes", "SHOP_LEASE": "2 s"}
    web = shop.start_web()
    with shop.books.held():
        order = shop.order(quantity=2)
        shop.approve(order)
        until(lambda: shop.books.of(order), [("charged", 1)])
        web.kill()

    shop.start_web()

    until(lambda: shop.status(order), SHIPPED)
    ((status, requests),) = shop.books.of(order)
    assert status == "charged"
    assert requests >= 2
    assert shop.stock() == 8


@pytest.mark.slow
@BACKENDS
def test_asked_to_end_the_web_server_lets_the_worker_inside_it_finish_its_step(shop: FastapiShop) -> None:
    # A lease so long that only a run that was handed over can go on elsewhere.
    shop.settings |= {"SHOP_EMBEDDED_WORKER": "yes", "SHOP_LEASE": "1 h"}
    web = shop.start_web()
    with shop.books.held():
        order = shop.order()
        until(lambda: shop.books.of(order), [("charged", 1)])
        web.terminate()

    web.ended()
    assert "Traceback" not in web.output
    shop.start_web()
    shop.approve(order)
    until(lambda: shop.status(order), SHIPPED)
    assert shop.books.of(order) == [("charged", 1)]
