"""The library's own tables. The durable tables stand beside them, in the same database, and can be queried too."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pony.orm import Database, Optional, PrimaryKey, Required, Set, db_session

from durable_pony import define_entities
from pony_library import settings

__all__ = ["Book", "Loan", "db", "durable_tables", "set_up"]

db: Any = Database()  # Pony has no types


def _bind(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        # Pony would look for a relative name beside this very module.
        db.bind(provider="sqlite", filename=str(Path(parts.path[1:]).absolute()), create_db=True)
    elif parts.scheme == "mysql":
        login = {"host": parts.hostname, "port": parts.port or 3306, "user": parts.username}
        login |= {"password": unquote(parts.password or ""), "database": parts.path[1:]}
        db.bind(provider="mysql", charset="utf8mb4", **login)
    else:
        db.bind(provider="postgres", dsn=url)


class Book(db.Entity):
    """A title, and how many copies of it are on the shelf."""

    _table_ = "library_book"
    id = PrimaryKey(int, auto=True)
    title = Required(str, 200, unique=True)
    on_shelf = Required(int)
    loans = Set("Loan")


class Loan(db.Entity):
    """Asked for → lent → returned; or else not available, or lost."""

    _table_ = "library_loan"
    id = PrimaryKey(int, auto=True)
    book = Required(Book)
    reader = Required(str, 100)
    status = Required(str, 40, default="asked for")
    reminders = Required(int, default=0)
    condition = Optional(str, 100)


_bind(settings.DATABASE)
durable_tables = define_entities(db)
db.generate_mapping(create_tables=True)


def set_up() -> None:
    """Put something on the shelf if there is nothing yet."""
    with db_session:
        if not Book.exists():
            Book(title="Moby-Dick", on_shelf=3)
            Book(title="Middlemarch", on_shelf=1)
