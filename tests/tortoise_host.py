"""A Tortoise application in a folder of its own, with tables, rows and a history, and the real commands run in it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from catalogues import catalogue
from database_servers import BackendAddress
from durable_sql.schema.ddl import managed_tables
from peewee_databases import open_peewee
from tortoise_databases import connection_of
from tortoise_models import DRIVER_OF
from workspace import run

__all__ = ["DURABLE", "OWN_APP", "TortoiseHost"]

DURABLE = "durable_tortoise.models"
#: The durable models as an app of their own, with the migrations that the package ships.
OWN_APP = {"models": [DURABLE], "migrations": "durable_tortoise.migrations"}

_SCRIPTS = Path(sys.executable).parent
_MODELS = """
from tortoise import fields
from tortoise.models import Model


class Customer(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=50, unique=True)

    class Meta:
        table = "customers"


class Order(Model):
    id = fields.IntField(primary_key=True)
    customer = fields.ForeignKeyField("shop.Customer", related_name="orders")
    total = fields.DecimalField(max_digits=10, decimal_places=2, db_index=True)

    class Meta:
        table = "orders"
"""
_ROWS = (
    "INSERT INTO customers (id, name) VALUES (1, 'Ä')",
    "INSERT INTO orders (id, customer_id, total) VALUES (7, 1, 19.99)",
)
_TOOLS = ("aerich", "tortoise_migrations")


class TortoiseHost:
    """The application ``shop``; *address* is its database."""

    def __init__(self, folder: Path, address: BackendAddress) -> None:
        self.folder = folder
        self.address = address
        self.peewee = open_peewee(address)
        self.write("shop/__init__.py", "")
        self.write("shop/models.py", _MODELS)
        self.configure("shop.models")

    def configure(self, *modules: str, migrations: str | None = None, **apps: dict[str, Any]) -> None:
        """Register *modules* in the app ``shop``, with *migrations* of its own, and further *apps* beside it."""
        shop: dict[str, Any] = {"models": list(modules)} | ({"migrations": migrations} if migrations else {})
        connection = connection_of(self.address, DRIVER_OF[self.address.backend])
        config = {"connections": {"default": connection}, "apps": {"shop": shop, **apps}}
        self.write("shop/settings.py", f"import json\n\nTORTOISE_ORM = json.loads({json.dumps(config)!r})\n")

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def aerich(self, *arguments: str) -> str:
        """Run the command ``aerich`` and return what it said."""
        return self._command("aerich", *arguments)

    def tortoise(self, *arguments: str) -> str:
        """Run the command ``tortoise`` and return what it said."""
        return self._command("tortoise", "-c", "shop.settings.TORTOISE_ORM", *arguments)

    def begin_with_aerich(self) -> None:
        """Have the tables, a row in each, and Aerich's history."""
        self.configure("shop.models", "aerich.models")
        self.aerich("init", "-t", "shop.settings.TORTOISE_ORM", "--location", "./aerich_history")
        self.aerich("init-db")
        self.execute(*_ROWS)

    def begin_with_tortoise(self) -> None:
        """Have the tables, a row in each, and the history of Tortoise's own tool."""
        self.configure("shop.models", migrations="shop.history")
        self.tortoise("makemigrations")
        self.tortoise("migrate")
        self.execute(*_ROWS)

    def latest_aerich_migration(self) -> Path:
        files = (self.folder / "aerich_history" / "shop").glob("*.py")
        return max(files, key=lambda file: int(file.name.partition("_")[0]))

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run *statements* on a connection of our own; the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        with self.peewee.connection_context():
            for statement in statements:
                cursor = self.peewee.execute_sql(statement)
                rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        return rows

    def own(self) -> tuple[set[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """All that is the application's: its part of the catalogue, and its rows."""
        with self.peewee.connection_context():
            tables = catalogue(self.peewee, without=[*managed_tables(marker=True), *_TOOLS])
        return tables, self.execute(
            "SELECT o.id, c.name, o.total FROM orders o JOIN customers c ON c.id = o.customer_id"
        )

    def durable(self) -> set[tuple[Any, ...]]:
        """Our part of the catalogue, without the marker."""
        with self.peewee.connection_context():
            rows = catalogue(self.peewee, without=["durable_schema_meta"])
        # MySQL's default for columns that name no collation does not count: each of ours names one.
        return {row for row in rows if str(row[0]).startswith("durable_") and row[1:3] != ("table", "InnoDB")}

    def _command(self, name: str, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        ended = run(_SCRIPTS / name, *arguments, cwd=self.folder, env=environment)
        return ended.stdout + ended.stderr
