"""Run me; kill me with `kill -9` in the middle; run me again."""

from __future__ import annotations

import time
from dataclasses import dataclass

from peewee import CharField, Model, SqliteDatabase

from durable_core import Durable, WorkflowContext
from durable_peewee import PeeweeStateStore

db = SqliteDatabase("quickstart.db")
durable = Durable(PeeweeStateStore(db), lease="3 seconds")


class Order(Model):
    receipt = CharField(null=True)

    class Meta:
        database = db


@dataclass
class Receipt:
    id: str


@durable.step(max_attempts=3)
def charge(order_id: int) -> Receipt:
    print(f"charging order {order_id}", flush=True)
    time.sleep(1)
    return Receipt(id=f"receipt-{order_id}")


def mark_paid(order_id: int, receipt: Receipt) -> None:
    Order.update(receipt=receipt.id).where(Order.id == order_id).execute()


@durable.step
def pack(box: int) -> int:
    print(f"packing box {box}", flush=True)
    time.sleep(1)
    return box


@durable.workflow(name="checkout", version="1")
def checkout(ctx: WorkflowContext, order_id: int) -> str:
    receipt = ctx.step(charge, order_id)
    ctx.transaction(mark_paid, order_id, receipt)  # business rows and checkpoint: one commit
    boxes = [ctx.step(pack, box) for box in (1, 2, 3)]
    ctx.sleep("1 second")
    return f"{receipt.id}: {len(boxes)} boxes shipped"


if __name__ == "__main__":
    durable.boot()  # makes the durable tables
    db.create_tables([Order])
    with db.atomic():  # the order and its run: both or neither
        order, _ = Order.get_or_create(id=1)
        run = durable.start(checkout, order.id, id=f"order:{order.id}")
    with durable.worker(concurrency=2):
        print(run.result())
