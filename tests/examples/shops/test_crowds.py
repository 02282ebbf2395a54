"""Many orders, several workers, and workers that are asked to go."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from examples.shops.cells import FASTAPI_ONCE
from examples.shops.running_shop import SHIPPED, RunningShop, until

pytestmark = pytest.mark.slow


def test_of_twenty_orders_for_ten_teapots_ten_are_shipped(shop: RunningShop) -> None:
    shop.start_web()
    shop.start_worker()
    shop.start_worker()

    with ThreadPoolExecutor(20) as customers:
        orders = list(customers.map(lambda _: shop.order(), range(20)))
        # Those that were sold out before their approval came are refused it.
        approved = list(customers.map(lambda order: shop.post(f"/orders/{order}/approve").status, orders))
    assert set(approved) <= {202, 409}

    until(lambda: Counter(map(shop.status, orders)), {SHIPPED: 10, ("sold_out", "completed"): 10})
    assert shop.stock() == 0
    charges = [shop.books.of(order) for order in orders]
    assert Counter(map(str, charges)) == {"[('charged', 1)]": 10, "[('refunded', 1)]": 10}


@FASTAPI_ONCE
def test_two_workers_share_the_orders_and_take_none_twice(shop: RunningShop) -> None:
    shop.start_web()
    workers = [shop.start_worker(concurrency=1), shop.start_worker(concurrency=1)]
    for worker in workers:
        worker.printed("serving")
    with shop.books.held():
        orders = [shop.order() for _ in range(6)]
        # One order at a time each: both are at work when two charges have been asked for and none is answered.
        until(lambda: [len(shop.books.of(order)) for order in orders].count(1), 2)
    for order in orders:
        shop.approve(order)

    until(lambda: Counter(map(shop.status, orders)), {SHIPPED: 6})
    assert [shop.books.of(order) for order in orders] == [[("charged", 1)]] * 6
    assert shop.stock() == 4


@FASTAPI_ONCE
def test_a_worker_that_is_asked_to_end_finishes_its_step_and_hands_the_order_over(shop: RunningShop) -> None:
    shop.settings["SHOP_LEASE"] = "1 h"  # so that only a run that was handed over can go on elsewhere
    shop.start_web()
    worker = shop.start_worker()
    with shop.books.held():
        order = shop.order()
        until(lambda: shop.books.of(order), [("charged", 1)])
        worker.terminate()

    assert worker.ended() == 0
    assert "drained" in worker.output
    assert shop.status(order) == ("placed", "pending")
    shop.start_worker()
    shop.approve(order)
    until(lambda: shop.status(order), SHIPPED)
    assert shop.books.of(order) == [("charged", 1)]
