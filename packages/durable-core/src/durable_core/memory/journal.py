"""One transaction at a time over plain dicts: a mutex, an undo log and the callbacks of a commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["Journal", "Table"]

_log = logging.getLogger("durable")

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class Journal:
    """Makes a block of table writes happen wholly or not at all, with no other thread looking on.

    The mutex is held from the first statement of a transaction to its commit, so that nobody reads what may yet be
    undone. What a block did is undone row by row: a transaction costs what it writes, not what the tables hold.
    """

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._holder: int | None = None
        self._undo: list[Callable[[], None]] = []
        self._callbacks: list[Callable[[], None]] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction around the block, or a savepoint in the one that this thread has open."""
        with self._mutex:
            if self._holder is not None:
                with self._undone_on_error():
                    yield
                return
            self._holder = threading.get_ident()
            try:
                with self._undone_on_error():
                    yield
            finally:
                self._holder = None
                self._undo.clear()
                callbacks, self._callbacks = self._callbacks, []
        # Outside the mutex: a callback that waits for another thread must not keep that thread out of the store.
        for callback in callbacks:
            _call(callback)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* after this thread's outermost transaction, unless it is rolled back; now if none is open."""
        if self._holder == threading.get_ident():
            self._callbacks.append(callback)
        else:
            _call(callback)

    def record(self, undo: Callable[[], None]) -> None:
        """Remember how to undo a write; forget it where no transaction is open."""
        if self._holder is not None:
            self._undo.append(undo)

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        writes, callbacks = len(self._undo), len(self._callbacks)
        try:
            yield
        except BaseException:
            while len(self._undo) > writes:
                self._undo.pop()()
            del self._callbacks[callbacks:]
            raise


class Table(Generic[K, R]):
    """Frozen rows by primary key, with one index. Every write can be undone by its journal."""

    def __init__(self, journal: Journal, key: Callable[[R], K], index: Callable[[R], str]) -> None:
        self._journal = journal
        self._key = key
        self._index = index
        self._rows: dict[K, R] = {}
        self._indexed: dict[str, dict[K, R]] = {}

    def get(self, key: K) -> R | None:
        """The row, or None."""
        return self._rows.get(key)

    def all(self) -> list[R]:
        """Every row, in no order."""
        return list(self._rows.values())

    def where(self, value: str) -> list[R]:
        """The rows whose indexed column is *value*, in no order."""
        return list(self._indexed.get(value, {}).values())

    def put(self, row: R) -> None:
        """Insert *row*, or replace the one with its key."""
        key = self._key(row)
        self._write(key, row)

    def remove(self, key: K) -> R | None:
        """Remove and return the row; None if there is none."""
        row = self._rows.get(key)
        if row is not None:
            self._write(key, None)
        return row

    def _write(self, key: K, row: R | None) -> None:
        before = self._set(key, row)

        def undo() -> None:
            self._set(key, before)

        self._journal.record(undo)

    def _set(self, key: K, row: R | None) -> R | None:
        before = self._rows.pop(key, None)
        if before is not None:
            indexed = self._indexed[self._index(before)]
            del indexed[key]
            if not indexed:
                del self._indexed[self._index(before)]
        if row is not None:
            self._rows[key] = row
            self._indexed.setdefault(self._index(row), {})[key] = row
        return before


def _call(callback: Callable[[], None]) -> None:
    # The commit stands, so an error here must not reach whoever committed and would take it for a failed one.
    try:
        callback()
    except Exception:  # noqa: BLE001 - logged, whatever it is
        _log.exception("durable: a callback after a commit failed; the commit itself stands")
