"""One thread of a process at a time writes to a SQLite file, and nobody waits for it without end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from durable_core.errors import StoreContention

__all__ = ["begin_writing", "one_writer"]

_BUSY_TIMEOUT_S: Final = 5


def begin_writing(provider: Any, connection: Any) -> None:
    """Begin a transaction of Pony's with the write lock, as Pony does, but without waiting for ever.

    Pony lets one thread of a process write at a time. Raises `StoreContention` after as long as SQLite itself would
    wait for another process.
    """
    lock = provider.transaction_lock
    if not lock.acquire(timeout=_BUSY_TIMEOUT_S):
        raise StoreContention(
            f"another thread of this process has been writing to the SQLite database for {_BUSY_TIMEOUT_S} s: "
            "keep db_sessions short, and let none wait for a thread that uses durable"
        )
    try:
        provider.execute(connection.cursor(), "BEGIN IMMEDIATE TRANSACTION")
    except BaseException:
        lock.release()
        raise


@contextmanager
def one_writer(provider: Any) -> Iterator[None]:
    """Be the one thread of this process that writes, if that is to be had in time.

    Connections that contend for the file's lock are slower together than one of them alone. This only delays: whoever
    has waited as long as SQLite itself would goes ahead and lets SQLite decide.
    """
    took = provider.transaction_lock.acquire(timeout=_BUSY_TIMEOUT_S)
    try:
        yield
    finally:
        if took:
            provider.transaction_lock.release()
