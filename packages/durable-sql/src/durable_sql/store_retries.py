"""Trying again, where that cannot do anything twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from durable_core.errors import StoreContention, StoreUnavailable
from durable_sql.session import Session

__all__ = ["REPEATABLE", "TRIES", "HasSession", "retried"]

P = ParamSpec("P")
T = TypeVar("T")

#: How often a method is tried while the database rolls it back in favour of others.
TRIES: Final = 6

#: The methods that may run again when the connection broke before the answer came, although the first run may have
#: been committed: reads, and writes that leave the same state and give the same answer the second time. So does
#: `suspend_run` but for its answer, and a False there ends a turn that has ended anyway.
REPEATABLE: Final = frozenset(
    {
        *("ensure_schema", "verify_schema", "get_run", "list_runs", "run_facets"),
        *("get_checkpoint", "list_checkpoints", "get_latest_checkpoint_by_name", "list_checkpoints_by_name_prefix"),
        *("list_incomplete_runs", "list_pending_runs", "list_due_timers"),
        *("list_signal_waiters", "list_buffered_events"),
        *("save_checkpoint", "suspend_run", "delete_run", "renew_run_lock", "renew_run_locks"),
        *("release_run_lock", "put_signal_waiter", "buffer_event"),
    }
)


class HasSession(Protocol):
    """Whose methods can be retried."""

    @property
    def session(self) -> Session:
        """What the methods run on."""


H = TypeVar("H", bound=HasSession)


def retried(method: Callable[Concatenate[H, P], Awaitable[T]]) -> Callable[Concatenate[H, P], Coroutine[Any, Any, T]]:
    """Run *method* again after contention, all of it and a bounded number of times; never inside a transaction.

    A deadlock or serialization failure rolls back all of the caller's transaction, so only the caller can run that
    again. After a broken connection only the methods in `REPEATABLE` run again, once.
    """
    repeatable = method.__name__ in REPEATABLE

    @wraps(method)
    async def trying(self: H, /, *args: P.args, **kwargs: P.kwargs) -> T:
        session = self.session
        if session.in_transaction():
            return await method(self, *args, **kwargs)
        broken = False
        attempt = 1
        while True:
            try:
                return await method(self, *args, **kwargs)
            except StoreContention:
                if attempt >= TRIES:
                    raise
            except StoreUnavailable:
                if broken or not repeatable:
                    raise
                broken = True
            await session.back_off(attempt)
            attempt += 1

    return trying
