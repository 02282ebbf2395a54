"""An application with a table of its own on a real database, whose workflows write to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import peewee

from database_servers import BackendAddress
from durable_peewee import PeeweeStateStore

__all__ = ["Shop", "eventually"]


class Shop:
    """One process's view of the shop."""

    def __init__(self, address: BackendAddress, database: Any, store: PeeweeStateStore) -> None:
        self.address = address
        self.database = database
        self.store = store

        class Account(peewee.Model):
            name = peewee.CharField(primary_key=True)
            balance = peewee.IntegerField(default=0)

        Account.bind(database)
        self.Account: Any = Account
        with database:
            database.create_tables([Account])

    def open_account(self, name: str, balance: int = 0) -> None:
        """A row of the application's own."""
        with self.database:
            self.Account.create(name=name, balance=balance)

    def add(self, name: str, amount: int) -> int:
        """Change a balance through the application's ORM, in whatever transaction is open."""
        changed = self.Account.update(balance=self.Account.balance + amount).where(self.Account.name == name).execute()
        assert changed == 1
        return amount

    def balance(self, name: str) -> int:
        """The balance, as committed."""
        with self.database:
            return int(self.Account.get_by_id(name).balance)

    def close(self) -> None:
        """Let go of every connection."""
        if not self.database.is_closed():
            self.database.close()
        if hasattr(self.database, "close_all"):
            self.database.close_all()


def eventually(condition: Callable[[], bool], what: str, within_s: float = 60) -> None:
    """Wait for what other threads or processes bring about."""
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, f"it never happened that {what}"
        time.sleep(0.01)
