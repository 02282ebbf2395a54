"""The checkout, as one plain coroutine that survives crashes, deploys and people who take their time."""

from __future__ import annotations

from functools import partial

from tortoise.contrib.fastapi import RegisterTortoise
from tortoise.expressions import F

from durable_core import AsyncDurable, AsyncWorkflowContext, FatalError, SignalTimeout, StepFailed
from durable_tortoise import TortoiseStateStore
from fastapi_shop import payments, settings
from fastapi_shop.models import Item, Order
from fastapi_shop.payments import Receipt

__all__ = ["call_off", "charge", "checkout", "close", "durable", "refund", "reserve", "ship"]

durable = AsyncDurable(
    TortoiseStateStore(),
    lease=settings.LEASE,
    auto_schema=False,  # Aerich makes the tables
    lifespan=partial(RegisterTortoise, config=settings.TORTOISE_ORM),  # for `durable worker`, which is no FastAPI app
)


@durable.workflow(name="checkout", version="1")
async def checkout(ctx: AsyncWorkflowContext, order_id: int) -> str:
    """Charge, reserve, wait for an approval, ship; if anything stands against it, give back what was taken."""
    try:
        receipt = await ctx.step(charge, order_id)
        await ctx.transaction(reserve, order_id, receipt)  # stock, order and checkpoint: one commit, exactly once
        await ctx.wait_for_signal(f"approval:{order_id}", timeout=settings.APPROVAL_TIMEOUT)
        return await ctx.transaction(ship, order_id)
    except SignalTimeout:
        outcome = "expired"
    except StepFailed as failed:
        outcome = failed.code or "failed"  # declined, sold_out, payment_unavailable
    await ctx.transaction(close, order_id, outcome)
    await ctx.step(refund, order_id)
    return outcome


@durable.workflow(name="call-off", version="1")
async def call_off(ctx: AsyncWorkflowContext, order_id: int) -> None:
    """Give back what an order has taken whose checkout was cancelled."""
    await ctx.transaction(close, order_id, "cancelled")
    await ctx.step(refund, order_id)


@durable.step(max_attempts=5)
async def charge(order_id: int) -> Receipt:
    """Money is at least once, so it carries a key: killed before its checkpoint, it asks again for the same charge."""
    order = await Order.get(id=order_id)
    return await payments.charge(key=f"order:{order_id}", cents=order.cents)


@durable.step(max_attempts=10)
async def refund(order_id: int) -> None:
    await payments.refund(key=f"order:{order_id}")


async def reserve(order_id: int, receipt: Receipt) -> None:
    order = await Order.get(id=order_id)
    in_stock = Item.filter(id=order.item_id, stock__gte=order.quantity)
    if not await in_stock.update(stock=F("stock") - order.quantity):
        raise FatalError(f"fewer than {order.quantity} are left for order {order_id}", code="sold_out")
    taken = {"status": "awaiting_approval", "reserved": order.quantity, "receipt": receipt.id}
    await Order.filter(id=order_id).update(**taken)


async def ship(order_id: int) -> str:
    await Order.filter(id=order_id).update(status="shipped", reserved=0)
    return "shipped"


async def close(order_id: int, status: str) -> None:
    order = await Order.get(id=order_id)
    await Item.filter(id=order.item_id).update(stock=F("stock") + order.reserved)
    await Order.filter(id=order_id).update(status=status, reserved=0)
