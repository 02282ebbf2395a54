"""What Tortoise asks of a database: every statement, as its own query log tells it, and every transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.log import db_client_logger

__all__ = ["Asked", "asked"]

#: A statement and its parameters.
Asked = tuple[str, Sequence[Any]]

_WITHOUT_TEXT = {"begin": "BEGIN", "commit": "COMMIT", "rollback": "ROLLBACK"}


class _Listener(logging.Handler):
    def __init__(self, heard: list[Asked]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg != "%s: %s":  # a script is all the message; what else is logged is about connections
            if not record.args:
                self._heard.append((record.msg, ()))
            return
        assert isinstance(record.args, tuple)
        sql, params = record.args
        assert isinstance(sql, str)
        self._heard.append((sql, params if isinstance(params, list) else ()))


@contextmanager
def asked(heard: list[Asked]) -> Iterator[None]:
    """Append to *heard* what Tortoise asks while the block lasts, whatever the driver."""
    listener = _Listener(heard)
    before = db_client_logger.level
    with ExitStack() as watched:
        for kind in _kinds(TransactionalDBClient):
            for name, sql in _WITHOUT_TEXT.items():
                if name in vars(kind):
                    watched.enter_context(patch.object(kind, name, _telling(heard, sql, vars(kind)[name])))
        db_client_logger.addHandler(listener)
        db_client_logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            db_client_logger.setLevel(before)
            db_client_logger.removeHandler(listener)


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    for one in type.__subclasses__(kind):
        yield one
        yield from _kinds(one)


def _telling(heard: list[Asked], sql: str, method: Any) -> Any:
    async def telling(self: Any) -> None:
        heard.append((sql, ()))
        await method(self)

    return telling
