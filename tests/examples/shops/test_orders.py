"""What a customer of the shop sees over HTTP, while a worker process runs the checkouts."""

from __future__ import annotations

from typing import Any

import pytest

from examples.shops.cells import EACH_DRIVER, FASTAPI_ONCE
from examples.shops.running_shop import SHIPPED, WAITING, RunningShop, until


@EACH_DRIVER
def test_an_order_waits_for_its_approval_and_is_shipped(shop: RunningShop) -> None:
    shop.start_web()
    shop.start_worker()
    order = shop.order(quantity=2)
    until(lambda: shop.status(order), WAITING)
    assert shop.books.of(order) == [("charged", 1)]

    shop.approve(order)

    until(lambda: shop.status(order), SHIPPED)
    assert shop.books.of(order) == [("charged", 1)]
    assert shop.stock() == 8


@FASTAPI_ONCE
def test_an_order_is_there_and_its_checkout_pending_while_no_worker_runs(shop: RunningShop) -> None:
    shop.start_web()

    order = shop.order()

    assert shop.status(order) == ("placed", "pending")
    assert shop.rows("SELECT id, status FROM durable_workflow_runs") == [(f"order:{order}", "pending")]


@FASTAPI_ONCE
def test_an_approval_that_comes_before_the_wait_is_kept(shop: RunningShop) -> None:
    shop.start_web()
    shop.start_worker()
    with shop.books.held():
        order = shop.order()
        until(lambda: shop.books.of(order), [("charged", 1)])
        shop.approve(order)

    until(lambda: shop.status(order), SHIPPED)


@FASTAPI_ONCE
def test_an_order_that_nobody_approves_expires_and_gives_back_what_it_took(shop: RunningShop) -> None:
    shop.settings["SHOP_APPROVAL_TIMEOUT"] = "1 s"
    shop.start_web()
    shop.start_worker()
    order = shop.order(quantity=3)
    until(lambda: shop.status(order)[0] in {"awaiting_approval", "expired"}, True)

    until(lambda: shop.status(order), ("expired", "completed"))

    assert shop.books.of(order) == [("refunded", 1)]
    assert shop.stock() == 10
    assert shop.post(f"/orders/{order}/approve").status == 409


def test_a_cancelled_order_gives_back_what_it_took(shop: RunningShop) -> None:
    shop.start_web()
    shop.start_worker()
    order = shop.order(quantity=4)
    until(lambda: shop.status(order), WAITING)
    assert shop.stock() == 6

    assert shop.post(f"/orders/{order}/cancel").status == 202

    until(lambda: shop.status(order), ("cancelled", "cancelled"))
    until(lambda: shop.books.of(order), [("refunded", 1)])
    assert shop.stock() == 10
    assert shop.post(f"/orders/{order}/cancel").status == 409
    assert shop.post(f"/orders/{order}/approve").status == 409


@FASTAPI_ONCE
def test_an_order_cancelled_in_the_middle_of_its_charge_takes_nothing(shop: RunningShop) -> None:
    shop.start_web()
    shop.start_worker()
    with shop.books.held():
        order = shop.order()
        until(lambda: shop.books.of(order), [("charged", 1)])
        assert shop.post(f"/orders/{order}/cancel").status == 202

    until(lambda: shop.status(order), ("cancelled", "cancelled"))
    until(lambda: shop.books.of(order), [("refunded", 1)])
    assert shop.stock() == 10
    # The turn that was under way when the order was cancelled has written nothing.
    assert shop.rows("SELECT name FROM durable_step_checkpoints WHERE run_id = 'order:1'") == []


@FASTAPI_ONCE
@pytest.mark.parametrize(("quantity", "outcome"), [(11, "sold_out"), (999, "declined")])
def test_an_order_that_cannot_be_met_says_why(shop: RunningShop, quantity: int, outcome: str) -> None:
    shop.start_web()
    shop.start_worker()
    order = shop.order(quantity=quantity)

    until(lambda: shop.status(order), (outcome, "completed"))

    assert [status for status, _ in shop.books.of(order)] == ["refunded" if outcome == "sold_out" else "declined"]
    assert shop.stock() == 10


@FASTAPI_ONCE
def test_a_wrong_order_is_refused_and_writes_nothing(shop: RunningShop) -> None:
    shop.start_web()
    wrong: list[Any] = [
        {"item": "teapot", "quantity": 0},
        {"item": "teapot", "quantity": -1},
        {"item": "teapot", "quantity": True},
        {"item": "teapot", "quantity": "2"},
        {"item": "teapot", "quantity": 1.5},
        {"item": "teapot", "quantity": 10**12},
        {"item": "teapot"},
        {"item": "unicorn", "quantity": 1},
        {"item": None, "quantity": 1},
        {"quantity": 1},
        [],
        None,
    ]

    answers = [shop.post("/orders", body) for body in wrong]

    # Each framework has its own way of saying so.
    assert {answer.status for answer in answers} <= {400, 422}
    assert all(answer.body.get("error") or answer.body["detail"] for answer in answers)
    assert shop.rows("SELECT * FROM shop_order") == []
    assert shop.rows("SELECT * FROM durable_workflow_runs") == []


@FASTAPI_ONCE
def test_what_is_not_there_is_not_found(shop: RunningShop) -> None:
    shop.start_web()

    assert shop.get("/orders/7").status == 404
    assert shop.post("/orders/7/approve").status == 404
    assert shop.post("/orders/7/cancel").status == 404
    assert shop.rows("SELECT * FROM durable_buffered_signals") == []
