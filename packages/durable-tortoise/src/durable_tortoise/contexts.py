"""Where the host's connections are: its `TortoiseContext`, wherever we are called from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.connection import ConnectionHandler
from tortoise.context import TortoiseContext, get_current_context
from tortoise.context import _current_context as current_context
from tortoise.exceptions import ConfigurationError as TortoiseConfigurationError

from durable_core.errors import ConfigurationError

__all__ = ["Home"]


class Home:
    """A connection of the host by its name.

    It is looked up in *given*, or else in the context that is current where we are called. Where none is (a task that
    was started outside of it, a bare thread) it is the one that was current when we were first asked.
    """

    def __init__(self, connection_name: str, given: TortoiseContext | None) -> None:
        self.connection_name = connection_name
        self._given = given
        self._captured: TortoiseContext | None = None
        self._capture()

    def context(self) -> TortoiseContext:
        """The context; `ConfigurationError` while Tortoise is not initialised."""
        if self._given is not None:
            found: TortoiseContext | None = self._given
        else:
            found = self._capture()
        if found is None or not _is_configured(found):
            raise ConfigurationError(
                "Tortoise is not initialised here: await Tortoise.init(...) before durable is used, and use it in the "
                "same program, or give TortoiseStateStore(context=...) the TortoiseContext that it belongs to"
            )
        return found

    def client(self) -> BaseDBAsyncClient:
        """The transaction that is open here, or else the connection of everybody."""
        client = self._client()
        return client if _is_open(client) else _root_of(client)

    def transaction(self) -> TransactionalDBClient | None:
        """The transaction that is open here, or None. One that a task of its block outlived is none."""
        client = self._client()
        return client if isinstance(client, TransactionalDBClient) and _is_open(client) else None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the host's own code in the block find its connections."""
        context = self.context()
        if get_current_context() is context:
            yield
            return
        # `with context:` keeps what it replaced on the context itself, so that two tasks cannot both be in it.
        token = current_context.set(context)
        try:
            yield
        finally:
            current_context.reset(token)

    @contextmanager
    def using(self, client: BaseDBAsyncClient) -> Iterator[None]:
        """Let *client* be the connection for the block, and whatever was before it again behind the block."""
        connections = self.context().connections
        token = connections.set(self.connection_name, client)
        try:
            yield
        finally:
            connections.reset(token)

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """A block of our own: inside the context, and outside of every transaction that this task was born into."""
        with self.entered():
            client = self._client()
            with self.using(_root_of(client)):
                yield

    def _client(self) -> BaseDBAsyncClient:
        connections: ConnectionHandler = self.context().connections
        if self.connection_name not in connections.db_config:
            raise ConfigurationError(
                f"Tortoise has no connection named {self.connection_name!r}; there are "
                f"{', '.join(map(repr, connections.db_config))}: give TortoiseStateStore the name of one of them"
            )
        return connections.get(self.connection_name)

    def _capture(self) -> TortoiseContext | None:
        current = get_current_context()
        if current is None or not _is_configured(current):
            return self._captured
        if self._captured is None or not _is_configured(self._captured):
            self._captured = current
        return current


def _is_open(client: BaseDBAsyncClient) -> bool:
    """Whether *client* is a transaction that has not ended."""
    return isinstance(client, TransactionalDBClient) and not client._finalized  # noqa: SLF001 - Tortoise has no other name


def _root_of(client: BaseDBAsyncClient) -> BaseDBAsyncClient:
    """The connection, or the pool, behind however many transactions."""
    while isinstance(client, TransactionalDBClient):
        client = client._parent  # noqa: SLF001 - Tortoise has no other name
    return client


def _is_configured(context: TortoiseContext) -> bool:
    try:
        return bool(context.connections.db_config)
    except TortoiseConfigurationError:
        return False
