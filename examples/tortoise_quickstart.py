"""Run me; kill me with `kill -9` in the middle; run me again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tortoise import Tortoise
from tortoise.fields import CharField, IntField
from tortoise.models import Model
from tortoise.transactions import in_transaction

from durable_core import AsyncDurable, AsyncWorkflowContext
from durable_tortoise import TortoiseStateStore

TORTOISE_ORM = {
    "connections": {"default": "sqlite://quickstart.db"},
    "apps": {"models": {"models": [__name__, "durable_tortoise.models", "aerich.models"]}},
}


@asynccontextmanager
async def tortoise() -> AsyncIterator[None]:
    await Tortoise.init(TORTOISE_ORM)
    try:
        yield
    finally:
        await Tortoise.close_connections()


durable = AsyncDurable(TortoiseStateStore(), lease="3 seconds", auto_schema=False, lifespan=tortoise)


class Order(Model):
    id = IntField(primary_key=True)
    receipt = CharField(max_length=50, null=True)


@dataclass
class Receipt:
    id: str


@durable.step(max_attempts=3)
async def charge(order_id: int) -> Receipt:
    print(f"charging order {order_id}", flush=True)
    await asyncio.sleep(1)
    return Receipt(id=f"receipt-{order_id}")


async def mark_paid(order_id: int, receipt: Receipt) -> None:
    await Order.filter(id=order_id).update(receipt=receipt.id)


@durable.step
def pack(box: int) -> int:  # a plain function runs on a thread
    print(f"packing box {box}", flush=True)
    time.sleep(1)
    return box


@durable.workflow(name="checkout", version="1")
async def checkout(ctx: AsyncWorkflowContext, order_id: int) -> str:
    receipt = await ctx.step(charge, order_id)
    await ctx.transaction(mark_paid, order_id, receipt)  # business rows and checkpoint: one commit
    boxes = [await ctx.step(pack, box) for box in (1, 2, 3)]
    await ctx.sleep("1 second")
    return f"{receipt.id}: {len(boxes)} boxes shipped"


async def main() -> None:
    async with tortoise():
        await durable.boot()  # tells you if a table is missing
        async with in_transaction():  # the order and its run: both or neither
            order, _ = await Order.get_or_create(id=1)
            run = await durable.start(checkout, order.id, id=f"order:{order.id}")
        async with durable.worker(concurrency=2):
            print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
