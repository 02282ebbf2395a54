"""Signals: who waits for a token, and what was sent before anybody did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUNS, SIGNALS, WAITERS
from durable_sql.session import Statement
from durable_sql.statements.binding import columns_of, insert, statement

__all__ = ["NOBODY", "buffer_signal", "claim_token", "claim_token_returning", "delete_signal", "delete_waiter"]
__all__ += ["delete_waiters_of_run", "list_waiters", "lock_signal", "lock_waiter", "lock_waiters_of_run"]
__all__ += ["make_due", "put_waiter", "remove_waiter", "take_signal_returning", "take_waiter_returning"]

#: The waiter that stands for "this token is being delivered to"; no other transaction ever sees it.
NOBODY: Final = {"run_id": "", "seq": 0, "parallel_group": None}

_WAITERS: Final = WAITERS.name
_SIGNALS: Final = SIGNALS.name
_VALUES: Final = ("run_id", "seq", "parallel_group")


def put_waiter(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """Insert, or replace whoever waits on the token."""
    return insert(dialect, WAITERS, [row], dialect.upsert(WAITERS.primary_key, _VALUES))


def claim_token(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """Insert *row* unless somebody waits; hold the token's key either way until this transaction ends."""
    return insert(dialect, WAITERS, [row], dialect.upsert(WAITERS.primary_key, ("token",)))


def claim_token_returning(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """`claim_token`, and who waits now."""
    claim = claim_token(dialect, row)
    return Statement(f"{claim.sql} RETURNING {columns_of(dialect, WAITERS.column_names)}", claim.params)


def lock_waiter(dialect: Dialect, token: str) -> Statement:
    """Who waits, which stays so until this transaction ends."""
    columns = columns_of(dialect, WAITERS.column_names)
    sql = f"SELECT {columns} FROM {_WAITERS} WHERE token = :token{dialect.for_update}"
    return statement(dialect, sql, {"token": token})


def lock_waiters_of_run(dialect: Dialect, run_id: str) -> Statement:
    """The tokens on which the run waits, which stay so until this transaction ends."""
    sql = f"SELECT token FROM {_WAITERS} WHERE run_id = :run_id ORDER BY token{dialect.for_update}"
    return statement(dialect, sql, {"run_id": run_id})


def take_waiter_returning(dialect: Dialect, token: str) -> Statement:
    """Remove and return the token's waiter."""
    sql = f"DELETE FROM {_WAITERS} WHERE token = :token RETURNING {columns_of(dialect, WAITERS.column_names)}"
    return statement(dialect, sql, {"token": token})


def delete_waiter(dialect: Dialect, token: str) -> Statement:
    """Remove whoever waits."""
    return statement(dialect, f"DELETE FROM {_WAITERS} WHERE token = :token", {"token": token})


def remove_waiter(dialect: Dialect, token: str, run_id: str, seq: int) -> Statement:
    """Remove that waiter alone."""
    sql = f"DELETE FROM {_WAITERS} WHERE token = :token AND run_id = :run_id AND seq = :seq"
    return statement(dialect, sql, {"token": token, "run_id": run_id, "seq": seq})


def delete_waiters_of_run(dialect: Dialect, run_id: str) -> Statement:
    """Remove every waiter of the run."""
    return statement(dialect, f"DELETE FROM {_WAITERS} WHERE run_id = :run_id", {"run_id": run_id})


def list_waiters(dialect: Dialect, prefix: str) -> Statement:
    """The waiters whose token starts with *prefix*, by token."""
    where, params = dialect.starts_with("token", "prefix", prefix)
    columns = columns_of(dialect, WAITERS.column_names)
    order = dialect.by_code_point("token")
    return statement(dialect, f"SELECT {columns} FROM {_WAITERS} WHERE {where} ORDER BY {order}", params)


def buffer_signal(dialect: Dialect, token: str, payload: str | None) -> Statement:
    """Append to the token's queue."""
    return insert(dialect, SIGNALS, [{"token": token, "payload": payload}])


def take_signal_returning(dialect: Dialect, token: str, *, wait: bool) -> Statement:
    """Remove and return the token's oldest payload.

    With *wait* truly the oldest; else the oldest that nobody else is taking.
    """
    locking = dialect.for_update if wait else dialect.skip_locked
    oldest = f"SELECT id FROM {_SIGNALS} WHERE token = :token ORDER BY id LIMIT 1{locking}"
    sql = f"DELETE FROM {_SIGNALS} WHERE id = ({oldest}) RETURNING id, token, payload"
    return statement(dialect, sql, {"token": token})


def lock_signal(dialect: Dialect, token: str, *, wait: bool) -> Statement:
    """The payload that `take_signal_returning` would take."""
    locking = dialect.for_update if wait else dialect.skip_locked
    sql = f"SELECT id, token, payload FROM {_SIGNALS} WHERE token = :token ORDER BY id LIMIT 1{locking}"
    return statement(dialect, sql, {"token": token})


def delete_signal(dialect: Dialect, signal_id: int) -> Statement:
    """Remove a payload that this transaction has locked."""
    return statement(dialect, f"DELETE FROM {_SIGNALS} WHERE id = :id", {"id": signal_id})


def make_due(dialect: Dialect, run_id: str, now: datetime) -> Statement:
    """Wake a run that sleeps, and keep a running one from going to sleep over what just came."""
    sql = f"UPDATE {RUNS.name} SET wake_at = :now WHERE id = :id AND status IN (:suspended, :running)"
    params = {"now": dialect.encode_instant(now), "id": run_id, "suspended": "suspended", "running": "running"}
    return statement(dialect, sql, params)
