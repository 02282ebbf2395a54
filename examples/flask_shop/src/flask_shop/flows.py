"""The checkout, as one plain function that survives crashes, deploys and people who take their time."""

from __future__ import annotations

from durable_core import Durable, FatalError, SignalTimeout, StepFailed, WorkflowContext
from durable_peewee import PeeweeStateStore
from flask_shop import payments, settings
from flask_shop.models import Item, Order, db
from flask_shop.payments import Receipt

__all__ = ["call_off", "charge", "checkout", "close", "durable", "refund", "reserve", "ship"]

durable = Durable(PeeweeStateStore(db), lease=settings.LEASE)


@durable.workflow(name="checkout", version="1")
def checkout(ctx: WorkflowContext, order_id: int) -> str:
    """Charge, reserve, wait for an approval, ship; if anything stands against it, give back what was taken."""
    try:
        receipt = ctx.step(charge, order_id)
        ctx.transaction(reserve, order_id, receipt)  # stock, order and checkpoint: one commit, exactly once
        ctx.wait_for_signal(f"approval:{order_id}", timeout=settings.APPROVAL_TIMEOUT)
        return ctx.transaction(ship, order_id)
    except SignalTimeout:
        outcome = "expired"
    except StepFailed as failed:
        outcome = failed.code or "failed"  # declined, sold_out, payment_unavailable
    ctx.transaction(close, order_id, outcome)
    ctx.step(refund, order_id)
    return outcome


@durable.workflow(name="call-off", version="1")
def call_off(ctx: WorkflowContext, order_id: int) -> None:
    """Give back what an order has taken whose checkout was cancelled."""
    ctx.transaction(close, order_id, "cancelled")
    ctx.step(refund, order_id)


@durable.step(max_attempts=5)
def charge(order_id: int) -> Receipt:
    """Money is at least once, so it carries a key: killed before its checkpoint, it asks again for the same charge."""
    return payments.charge(key=f"order:{order_id}", cents=Order.get_by_id(order_id).cents)


@durable.step(max_attempts=10)
def refund(order_id: int) -> None:
    payments.refund(key=f"order:{order_id}")


def reserve(order_id: int, receipt: Receipt) -> None:
    order = Order.get_by_id(order_id)
    in_stock = (Item.id == order.item_id) & (Item.stock >= order.quantity)
    if not Item.update(stock=Item.stock - order.quantity).where(in_stock).execute():
        raise FatalError(f"fewer than {order.quantity} are left for order {order_id}", code="sold_out")
    taken = Order.update(status="awaiting_approval", reserved=order.quantity, receipt=receipt.id)
    taken.where(Order.id == order_id).execute()


def ship(order_id: int) -> str:
    Order.update(status="shipped", reserved=0).where(Order.id == order_id).execute()
    return "shipped"


def close(order_id: int, status: str) -> None:
    order = Order.get_by_id(order_id)
    Item.update(stock=Item.stock + order.reserved).where(Item.id == order.item_id).execute()
    Order.update(status=status, reserved=0).where(Order.id == order_id).execute()
