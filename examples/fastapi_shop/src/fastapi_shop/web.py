"""The shop over HTTP. A request only writes rows; the worker runs the checkouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from tortoise.contrib.fastapi import RegisterTortoise
from tortoise.transactions import in_transaction

from fastapi_shop import settings
from fastapi_shop.flows import call_off, checkout, durable
from fastapi_shop.models import Item, Order

__all__ = [
    "Wanted",
    "app",
    "approve_order",
    "cancel_order",
    "lifespan",
    "list_items",
    "place_order",
    "show_order",
]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Tortoise is open while the application serves, and a worker serves beside it where that is wanted."""
    async with RegisterTortoise(app, config=settings.TORTOISE_ORM):
        if settings.EMBEDDED_WORKER:
            async with durable.worker():
                yield
        else:
            await durable.boot()  # tables that are missing are told now, and not at the first order
            yield


app = FastAPI(title="A durable shop", lifespan=lifespan)


class Wanted(BaseModel):
    """What a customer orders."""

    model_config = ConfigDict(strict=True)

    item: str
    quantity: int = Field(ge=1, le=1000)


async def _order(order_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Order:
    order = await Order.get_or_none(id=order_id).select_related("item")
    if order is None:
        raise HTTPException(404, f"there is no order {order_id}")
    return order


@app.get("/items")
async def list_items() -> list[dict[str, Any]]:
    """What there is to buy."""
    return await Item.all().order_by("id").values("name", "cents", "stock")


@app.post("/orders", status_code=201)
async def place_order(wanted: Wanted, response: Response) -> dict[str, Any]:
    """Place an order: its row and its checkout begin together, or neither does."""
    item = await Item.get_or_none(name=wanted.item)
    if item is None:
        raise HTTPException(400, f"there is no item {wanted.item!r}: GET /items lists what there is")
    async with in_transaction():
        order = await Order.create(item=item, quantity=wanted.quantity, cents=item.cents * wanted.quantity)
        await durable.start(checkout, order.id, id=f"order:{order.id}")
    return _accepted(order, response)


@app.get("/orders/{order_id}")
async def show_order(order: Annotated[Order, Depends(_order)]) -> dict[str, Any]:
    """The order, and how far its checkout is."""
    run = await durable.get_run(f"order:{order.id}")
    return {
        "id": order.id,
        "item": order.item.name,
        "quantity": order.quantity,
        "cents": order.cents,
        "status": order.status,
        "checkout": {"run": run.id, "status": run.status, "error": run.error and run.error.message},
    }


@app.post("/orders/{order_id}/approve", status_code=202)
async def approve_order(order: Annotated[Order, Depends(_order)], response: Response) -> dict[str, Any]:
    """Approve: wakes the checkout, or is kept for it if it has not come that far."""
    if (await durable.get_run(f"order:{order.id}")).is_terminal:
        raise HTTPException(409, f"order {order.id} is {order.status}: it is too late to approve it")
    await durable.signal(f"approval:{order.id}", True)
    return _accepted(order, response)


@app.post("/orders/{order_id}/cancel", status_code=202)
async def cancel_order(order: Annotated[Order, Depends(_order)], response: Response) -> dict[str, Any]:
    """Cancel: ends the checkout, and begins the workflow that gives back what it took, in one transaction."""
    async with in_transaction():
        if not await durable.cancel(f"order:{order.id}", "cancelled by the customer"):
            raise HTTPException(409, f"order {order.id} is {order.status}: it is too late to cancel it")
        await durable.start(call_off, order.id, id=f"call-off:{order.id}")
    return _accepted(order, response)


def _accepted(order: Order, response: Response) -> dict[str, Any]:
    place = app.url_path_for("show_order", order_id=order.id)
    response.headers["Location"] = place
    return {"id": order.id, "order": place}
