"""A transaction of ours, or a savepoint in the host's, on the host's connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from weakref import WeakKeyDictionary

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteTransactionContext
from tortoise.exceptions import TransactionManagementError
from tortoise.transactions import in_transaction

from durable_core.errors import StoreUnavailable
from durable_sql.after_commit import call_after_commit
from durable_sql.dialect import Dialect
from durable_tortoise.contexts import Home
from durable_tortoise.driver_errors import passing_trouble, translated
from durable_tortoise.sqlite_connections import reached

__all__ = ["after_commit", "one_connection", "transaction_block"]

_log = logging.getLogger("durable")

_waiting: WeakKeyDictionary[TransactionalDBClient, list[Callable[[], None]]] = WeakKeyDictionary()
_locks: WeakKeyDictionary[TransactionalDBClient, asyncio.Lock] = WeakKeyDictionary()
#: The transaction with the savepoint that the current task is inside of, and the turns that are taken in there.
_inside: ContextVar[tuple[TransactionalDBClient, asyncio.Lock] | None] = ContextVar("durable_savepoint", default=None)


@asynccontextmanager
async def transaction_block(home: Home, dialect: Dialect, *, read_committed: bool) -> AsyncIterator[None]:
    """Commit when the block ends well, roll back on any exception, which passes as it is.

    But for what the host's own statements met because of others: that is `StoreContention` or `StoreUnavailable`, as
    it is when ours meet it, so that whoever can run the block again knows to.
    A rollback that fails does not hide what led to it.
    """
    with home.entered():
        around = home.transaction()
        async with _one_savepoint(around), _block(home, dialect, around, read_committed=read_committed):
            yield


@asynccontextmanager
async def _block(
    home: Home, dialect: Dialect, around: TransactionalDBClient | None, *, read_committed: bool
) -> AsyncIterator[None]:
    # Tortoise leaves its own transaction standing where beginning or releasing one fails: `using` puts back what was.
    with home.using(home.client()):
        block = in_transaction(home.connection_name)
        if around is None:
            _begin_as_asked(_wrapper(block), dialect, read_committed=read_committed)
        with translated(dialect):
            await reached(home.client())
            await _enter(block)
        try:
            yield
            _refuse_broken(_wrapper(block))
        except BaseException as error:
            await _undo(block)
            trouble = passing_trouble(error, dialect)
            if trouble is not None:
                raise trouble from error
            raise
        else:
            with translated(dialect):
                await block.__aexit__(None, None, None)


@asynccontextmanager
async def one_connection(home: Home, dialect: Dialect) -> AsyncIterator[BaseDBAsyncClient]:
    """A connection out of the pool for the block, with no transaction open."""
    pool = home.client()
    async with AsyncExitStack() as held:
        # What Tortoise would make a transaction of runs statements on a connection of its own, begun or not.
        client = _wrapper(pool._in_transaction())  # noqa: SLF001 - its public name would look for the context again
        with translated(dialect):
            client._connection = await held.enter_async_context(pool.acquire_connection())  # noqa: SLF001
        yield client


def after_commit(transaction: TransactionalDBClient, callback: Callable[[], None]) -> None:
    """Call *callback* when *transaction* has been committed; never, if it is rolled back.

    Tortoise tells nobody of a commit, so this stands in the way of it.
    """
    if transaction not in _waiting:
        waiting = _waiting[transaction] = []
        commit = transaction.commit

        async def committed() -> None:
            await commit()
            for one in waiting:
                call_after_commit(one)

        transaction.commit = committed  # type: ignore[method-assign]
    _waiting[transaction].append(callback)


@asynccontextmanager
async def _one_savepoint(around: TransactionalDBClient | None) -> AsyncIterator[None]:
    """One savepoint at a time: of two that overlap the first to be released takes the other one with it.

    What is inside of a savepoint, also in tasks that were started there, takes turns among itself.
    """
    if around is None:
        yield
        return
    inside = _inside.get()
    lock = inside[1] if inside is not None and inside[0] is around else _locks.setdefault(around, asyncio.Lock())
    async with lock:
        before = _inside.set((around, asyncio.Lock()))
        try:
            yield
        finally:
            _inside.reset(before)


def _begin_as_asked(wrapper: TransactionalDBClient, dialect: Dialect, *, read_committed: bool) -> None:
    if dialect.name == "sqlite":

        async def begin() -> None:
            # A deferred transaction that reads before it writes fails at once when another has written meanwhile.
            await wrapper.execute_script("BEGIN IMMEDIATE")

    elif dialect.name == "mysql" and read_committed:
        begin_ordinarily = wrapper.begin

        async def begin() -> None:
            await wrapper.execute_script("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            await begin_ordinarily()

    else:
        return
    wrapper.begin = begin  # type: ignore[method-assign]


async def _enter(block: TransactionContext) -> None:
    try:
        await block.__aenter__()
    except BaseException:
        if hasattr(block, "token"):  # it has taken a connection, which nobody else will give back
            with suppress(Exception):
                # The one error after which Tortoise does not try to roll back.
                await block.__aexit__(TransactionManagementError, None, None)
        raise


def _refuse_broken(wrapper: TransactionalDBClient) -> None:
    # psycopg commits on a connection that has broken without a word, and whoever met the error may have kept it.
    if getattr(wrapper._connection, "broken", False):  # noqa: SLF001 - Tortoise has no other name
        raise StoreUnavailable("the connection broke before the commit: nothing of the transaction has happened")


async def _undo(block: TransactionContext) -> None:
    try:
        # Any error will do, but for Tortoise's own: after that one it does not roll back, and SQLite's next
        # transaction would commit what is left.
        await block.__aexit__(Exception, None, None)
    except Exception as failed:  # noqa: BLE001 - whatever it was, the first error is the one to tell
        _log.debug("durable: rolling back failed as well: %s", failed)


def _wrapper(block: TransactionContext) -> TransactionalDBClient:
    wrapper: TransactionalDBClient = block.connection if isinstance(block, SqliteTransactionContext) else block.client
    return wrapper
