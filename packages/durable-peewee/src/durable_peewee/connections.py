"""Throwing away a connection that broke."""

from __future__ import annotations

from contextlib import suppress

import peewee

__all__ = ["drop"]


def drop(database: peewee.Database, *, reopen: bool) -> None:
    """Throw this thread's connection away; with *reopen* leave the host with a new one, where there can be one.

    Not in the middle of the host's transaction: whoever began it must see it fail.
    """
    if database.in_transaction():
        return
    # Closing the ordinary way would give a broken connection back to its pool.
    for close in (getattr(database, "manual_close", database.close), database.close):
        if not database.is_closed():
            with suppress(Exception):
                close()
    if reopen:
        with suppress(Exception):
            database.connect(reuse_if_open=True)
