"""kill -9 at the worst moments: nothing is lost, nothing happens twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from urllib.error import URLError

import pytest

from examples.shops.cells import ROW_LOCKS
from examples.shops.running_shop import SHIPPED, WAITING, RunningShop, until
from peewee_databases import open_peewee

pytestmark = pytest.mark.slow

_POSTGRES = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_WAITING_FOR_LOCKS = {
    "postgres": _POSTGRES,
    "postgres3": _POSTGRES,
    "mariadb": (
        "SELECT count(*) FROM information_schema.innodb_trx AS t JOIN information_schema.processlist AS p "
        "ON p.id = t.trx_mysql_thread_id WHERE p.db = database() AND t.trx_state = 'LOCK WAIT'"
    ),
}


@pytest.fixture(autouse=True)
def _short_leases(shop: RunningShop) -> None:
    """Let a killed worker be missed soon."""
    shop.settings["SHOP_LEASE"] = "2 s"


def test_killed_between_the_charge_and_its_checkpoint_the_order_is_charged_once(shop: RunningShop) -> None:
    shop.start_web()
    worker = shop.start_worker()
    with shop.books.held():
        order = shop.order(quantity=2)
        shop.approve(order)
        until(lambda: shop.books.of(order), [("charged", 1)])
        worker.kill()

    shop.start_worker()

    until(lambda: shop.status(order), SHIPPED)
    # Asked for again with the same key: that is one charge.
    ((status, requests),) = shop.books.of(order)
    assert status == "charged"
    assert requests >= 2
    assert shop.stock() == 8


# On SQLite the kills at random moments meet this transaction.
@ROW_LOCKS
def test_killed_inside_the_transaction_that_reserves_the_stock_is_reserved_once(shop: RunningShop) -> None:
    shop.start_web()
    worker = shop.start_worker()
    with _held_reserving(shop) as order:
        # InnoDB shows its transactions as of 0.1 s ago, and starts counting anew each time that it is asked.
        until(lambda: shop.rows(_WAITING_FOR_LOCKS[shop.address.backend]), [(1,)], every=0.2)
        worker.kill()
        charges = shop.books.of(order)

    shop.start_worker()

    until(lambda: shop.status(order), WAITING)
    assert shop.books.of(order) == charges  # a charge whose checkpoint is saved is never asked for again
    assert shop.stock() == 8


def test_killed_while_it_waits_an_order_is_approved_without_a_worker_and_shipped_by_the_next(
    shop: RunningShop,
) -> None:
    shop.start_web()
    worker = shop.start_worker()
    order = shop.order(quantity=2)
    until(lambda: shop.status(order), WAITING)
    worker.kill()
    charges = shop.books.of(order)
    shop.approve(order)

    shop.start_worker()

    until(lambda: shop.status(order), SHIPPED)
    assert shop.books.of(order) == charges
    assert shop.stock() == 8


def test_killed_at_random_moments_every_order_is_shipped_and_counted_once(shop: RunningShop) -> None:
    shop.start_web()
    orders = []
    for _ in range(6):
        worker = shop.start_worker()
        orders.append(shop.order())
        shop.approve(orders[-1])
        worker.printed("serving")
        time.sleep(random.uniform(0, 0.6))
        worker.kill()

    shop.start_worker()

    for order in orders:
        until(lambda order=order: shop.status(order), SHIPPED)  # type: ignore[misc]
    assert [[status for status, _ in shop.books.of(order)] for order in orders] == [["charged"]] * 6
    assert shop.stock() == 4


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_inside_a_request_the_web_server_leaves_neither_order_nor_run(shop: RunningShop, moment: str) -> None:
    shop.settings["SHOP_STALL"] = moment
    web = shop.start_web(stalled=True)
    customer = threading.Thread(target=_order_in_vain, args=(shop,))
    customer.start()
    web.printed("inside the transaction")
    web.kill()
    customer.join()

    assert _orders_and_runs(shop) == ([], [])
    shop.start_web()
    order = shop.order()
    assert _orders_and_runs(shop) == ([f"order:{order}"], [f"order:{order}"])


def test_killed_at_a_random_moment_the_web_server_leaves_orders_that_all_have_their_run(shop: RunningShop) -> None:
    for _ in range(3):
        web = shop.start_web()
        customers = [threading.Thread(target=_order_in_vain, args=(shop,)) for _ in range(8)]
        for customer in customers:
            customer.start()
        time.sleep(random.uniform(0, 0.1))
        web.kill()
        for customer in customers:
            customer.join()

    orders, runs = _orders_and_runs(shop)
    assert orders == runs


def _order_in_vain(shop: RunningShop) -> None:
    with suppress(URLError, HTTPException, ConnectionError):
        shop.order()


def _orders_and_runs(shop: RunningShop) -> tuple[list[str], list[str]]:
    orders = [f"order:{order}" for (order,) in shop.rows("SELECT id FROM shop_order")]
    runs = [str(run) for (run,) in shop.rows("SELECT id FROM durable_workflow_runs")]
    return sorted(orders), sorted(runs)


@contextmanager
def _held_reserving(shop: RunningShop) -> Iterator[int]:
    """An order of two whose reservation has taken the stock, and waits for the lock on the order's row."""
    with closing(open_peewee(shop.address)) as db, db.atomic():
        with shop.books.held():
            order = shop.order(quantity=2)
            db.execute_sql("SELECT id FROM shop_order FOR UPDATE")
        yield order
