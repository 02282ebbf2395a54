"""Leases on single runs: lock, renew, release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from durable_core.instants import from_ms
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUNS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, free_at, statement

__all__ = [
    "RunLock",
    "list_held",
    "lock_held",
    "lock_run",
    "release_run",
    "renew_locked",
    "renew_returning",
    "renew_run",
]

#: A run and the owner that leased it.
RunLock = tuple[str, str]

_RUNS: Final = RUNS.name
_LONGER: Final = "locked_until = CASE WHEN locked_until > :until THEN locked_until ELSE :until END"


def lock_run(
    dialect: Dialect, run_id: str, owner: str, lease_until_ms: int, now_ms: int, statuses: Sequence[str] | None
) -> Statement:
    """Lease the run if nobody's lease reaches beyond now."""
    conditions: list[Condition] = [("id = :id", {"id": run_id}), free_at(dialect, "now", from_ms(now_ms))]
    if statuses is not None:
        conditions.append(among("status", "status", statuses))
    where, params = both(conditions)
    params |= {"owner": owner, "until": dialect.encode_instant(from_ms(lease_until_ms))}
    return statement(dialect, f"UPDATE {_RUNS} SET locked_by = :owner, locked_until = :until WHERE {where}", params)


def renew_run(dialect: Dialect, run_id: str, owner: str, lease_until_ms: int) -> Statement:
    """Extend the lease, never shorten it."""
    sql = f"UPDATE {_RUNS} SET {_LONGER} WHERE id = :id AND locked_by = :owner"
    return statement(dialect, sql, {**_until(dialect, lease_until_ms), "id": run_id, "owner": owner})


def renew_returning(dialect: Dialect, locks: Sequence[RunLock], lease_until_ms: int) -> Statement:
    """Extend those of *locks* that stand and that nobody is writing to, and return them."""
    where, params = _held(locks)
    sql = (
        f"WITH held AS MATERIALIZED (SELECT id FROM {_RUNS} WHERE {where}{dialect.skip_locked}) "
        f"UPDATE {_RUNS} SET {_LONGER} WHERE id IN (SELECT id FROM held) RETURNING id, locked_by"
    )
    return statement(dialect, sql, {**params, **_until(dialect, lease_until_ms)})


def lock_held(dialect: Dialect, locks: Sequence[RunLock]) -> Statement:
    """Lock the rows of those of *locks* that stand and that nobody is writing to."""
    where, params = _held(locks)
    return statement(dialect, f"SELECT id, locked_by FROM {_RUNS} WHERE {where}{dialect.skip_locked}", params)


def list_held(dialect: Dialect, locks: Sequence[RunLock]) -> Statement:
    """Those of *locks* that stand, whoever may be writing to them."""
    where, params = _held(locks)
    return statement(dialect, f"SELECT id, locked_by FROM {_RUNS} WHERE {where}", params)


def renew_locked(dialect: Dialect, run_ids: Sequence[str], lease_until_ms: int) -> Statement:
    """Extend the leases on rows that this transaction has locked."""
    where, params = among("id", "id", run_ids)
    sql = f"UPDATE {_RUNS} SET {_LONGER} WHERE {where}"
    return statement(dialect, sql, {**params, **_until(dialect, lease_until_ms)})


def _until(dialect: Dialect, lease_until_ms: int) -> dict[str, Any]:
    return {"until": dialect.encode_instant(from_ms(lease_until_ms))}


def _held(locks: Sequence[RunLock]) -> Condition:
    pairs = [f"(id = :id_{number} AND locked_by = :owner_{number})" for number, _ in enumerate(locks)]
    params = {f"id_{number}": run_id for number, (run_id, _) in enumerate(locks)}
    return " OR ".join(pairs), params | {f"owner_{number}": owner for number, (_, owner) in enumerate(locks)}


def release_run(dialect: Dialect, run_id: str, owner: str | None) -> Statement:
    """End the lease, of *owner* alone if given."""
    whose = "" if owner is None else " AND locked_by = :owner"
    sql = f"UPDATE {_RUNS} SET locked_by = NULL, locked_until = NULL WHERE id = :id{whose}"
    return statement(dialect, sql, {"id": run_id, "owner": owner})
