"""The Flask shop, as its README runs it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from examples.shops.running_shop import RunningShop
from flask_shop.models import Item, Order
from peewee_databases import open_peewee

__all__ = ["FlaskShop"]

_STALLED = Path(__file__).with_name("stalled_flask.py")


class FlaskShop(RunningShop):
    """Flask, Peewee."""

    package = "flask_shop"

    @property
    def database_url(self) -> str:
        """A URL of Peewee's."""
        return self.address.url + ("?prefer_psycopg3=true" if self.address.backend == "postgres3" else "")

    def make_tables(self) -> None:
        """As `set_up` does, on the test's own connection."""
        with closing(open_peewee(self.address)) as db, db.bind_ctx([Item, Order]):
            db.create_tables([Item, Order])

    def web_command(self, *, stalled: bool) -> tuple[str, ...]:
        """Flask's own server."""
        return ("flask", "--app", str(_STALLED) if stalled else "flask_shop.web", "run", "--port", "0")
