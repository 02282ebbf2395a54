"""The shop over HTTP. A request only writes rows; the worker runs the checkouts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from flask_shop.flows import call_off, checkout, durable
from flask_shop.models import Item, Order, db, set_up

__all__ = ["approve_order", "cancel_order", "create_app", "list_items", "place_order", "shop", "show_order"]

shop = Blueprint("shop", __name__)
_MOST_PIECES = 1000


def create_app() -> Flask:
    """The application. ``flask --app flask_shop.web set-up`` makes its tables."""
    durable.boot()  # at the start of the process, so that no request does it inside its transaction
    app = Flask("flask_shop")
    app.register_blueprint(shop)
    app.register_error_handler(HTTPException, _refused)
    app.cli.command("set-up", help="Create the tables, and put something on the shelf.")(set_up)
    return app


@shop.before_app_request
def _connect() -> None:
    db.connect(reuse_if_open=True)


@shop.teardown_app_request
def _close(_error: BaseException | None) -> None:
    if not db.is_closed():
        db.close()


@shop.get("/items")
def list_items() -> Response:
    """What there is to buy."""
    items = Item.select().order_by(Item.id)
    return jsonify([{"name": item.name, "cents": item.cents, "stock": item.stock} for item in items])


@shop.post("/orders")
def place_order() -> ResponseReturnValue:
    """Place an order: its row and its checkout begin together, or neither does."""
    item, quantity = _wanted(request.get_json(silent=True))
    with db.atomic():
        order = Order.create(item=item, quantity=quantity, cents=item.cents * quantity)
        durable.start(checkout, order.id, id=f"order:{order.id}")
    return _accepted(order, 201)


@shop.get("/orders/<int:order_id>")
def show_order(order_id: int) -> Response:
    """The order, and how far its checkout is."""
    order = _order(order_id)
    run = durable.get_run(f"order:{order_id}")
    return jsonify(
        id=order_id,
        item=order.item.name,
        quantity=order.quantity,
        cents=order.cents,
        status=order.status,
        checkout={"run": run.id, "status": run.status, "error": run.error and run.error.message},
    )


@shop.post("/orders/<int:order_id>/approve")
def approve_order(order_id: int) -> ResponseReturnValue:
    """Approve: wakes the checkout, or is kept for it if it has not come that far."""
    order = _order(order_id)
    if durable.get_run(f"order:{order_id}").is_terminal:
        abort(409, f"order {order_id} is {order.status}: it is too late to approve it")
    durable.signal(f"approval:{order_id}", True)
    return _accepted(order, 202)


@shop.post("/orders/<int:order_id>/cancel")
def cancel_order(order_id: int) -> ResponseReturnValue:
    """Cancel: ends the checkout, and begins the workflow that gives back what it took, in one transaction."""
    order = _order(order_id)
    with db.atomic():
        if not durable.cancel(f"order:{order_id}", "cancelled by the customer"):
            abort(409, f"order {order_id} is {order.status}: it is too late to cancel it")
        durable.start(call_off, order_id, id=f"call-off:{order_id}")
    return _accepted(order, 202)


def _wanted(body: Any) -> tuple[Item, int]:
    asked = body if isinstance(body, dict) else {}
    quantity = asked.get("quantity")
    if type(quantity) is not int or not 1 <= quantity <= _MOST_PIECES:
        abort(400, f"quantity must be a whole number from 1 to {_MOST_PIECES}, got {quantity!r}")
    item = Item.get_or_none(Item.name == str(asked.get("item")))
    if item is None:
        abort(400, f"there is no item {asked.get('item')!r}: GET /items lists what there is")
    return item, quantity


def _order(order_id: int) -> Order:
    order = Order.get_or_none(Order.id == order_id)
    if order is None:
        abort(404, f"there is no order {order_id}")
    return order


def _accepted(order: Order, status: int) -> ResponseReturnValue:
    place = url_for("shop.show_order", order_id=order.id)
    return jsonify(id=order.id, order=place), status, {"Location": place}


def _refused(error: HTTPException) -> ResponseReturnValue:
    return jsonify(error=error.description), error.code or 500
