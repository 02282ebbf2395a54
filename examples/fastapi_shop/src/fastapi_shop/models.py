"""The shop's own tables. The durable tables stand beside them, in the same database."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

__all__ = ["Item", "Order"]


class Item(Model):
    """Something to sell."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=100, unique=True)
    cents = fields.IntField()
    stock = fields.IntField()

    class Meta:
        table = "shop_item"


class Order(Model):
    """Placed → awaiting approval → shipped; or else declined, sold out, expired, cancelled or failed.

    *reserved* is how many pieces the order holds of the item's stock.
    """

    id = fields.IntField(primary_key=True)
    item_id: int
    item: fields.ForeignKeyRelation[Item] = fields.ForeignKeyField("shop.Item", on_delete=fields.RESTRICT)
    quantity = fields.IntField()
    cents = fields.IntField()
    status = fields.CharField(max_length=100, default="placed")
    receipt = fields.CharField(max_length=64, null=True)
    reserved = fields.IntField(default=0)

    class Meta:
        table = "shop_order"
