"""The shop's own tables. The durable tables stand beside them, in the same database."""

from __future__ import annotations

from peewee import AutoField, CharField, Database, ForeignKeyField, IntegerField, Model
from playhouse.db_url import connect

from flask_shop import settings

__all__ = ["Item", "Order", "db", "set_up"]

db: Database = connect(settings.DATABASE)


class Item(Model):
    """Something to sell."""

    id = AutoField()
    name = CharField(max_length=100, unique=True)
    cents = IntegerField()
    stock = IntegerField()

    class Meta:
        database = db
        table_name = "shop_item"


class Order(Model):
    """Placed → awaiting approval → shipped; or else declined, sold out, expired, cancelled or failed.

    *reserved* is how many pieces the order holds of the item's stock.
    """

    id = AutoField()
    item_id: int
    item = ForeignKeyField(Item, backref="orders", on_delete="RESTRICT")
    quantity = IntegerField()
    cents = IntegerField()
    status = CharField(max_length=100, default="placed")
    receipt = CharField(max_length=64, null=True)
    reserved = IntegerField(default=0)

    class Meta:
        database = db
        table_name = "shop_order"


def set_up() -> None:
    """Create the shop's tables, and put something on the shelf if there is nothing yet."""
    with db.connection_context():
        db.create_tables([Item, Order])
        if not Item.select().exists():
            Item.create(name="teapot", cents=2900, stock=10)
            Item.create(name="cup", cents=700, stock=40)
