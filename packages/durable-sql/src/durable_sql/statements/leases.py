"""Leases on single runs: lock, renew, release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from durable_core.instants import from_ms
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUNS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, free_at, statement

__all__ = ["lock_run", "release_run", "renew_run"]

_RUNS: Final = RUNS.name


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
    sql = (
        f"UPDATE {_RUNS} SET locked_until = CASE WHEN locked_until > :until THEN locked_until ELSE :until END "
        "WHERE id = :id AND locked_by = :owner"
    )
    until = dialect.encode_instant(from_ms(lease_until_ms))
    return statement(dialect, sql, {"until": until, "id": run_id, "owner": owner})


def release_run(dialect: Dialect, run_id: str, owner: str | None) -> Statement:
    """End the lease, of *owner* alone if given."""
    whose = "" if owner is None else " AND locked_by = :owner"
    sql = f"UPDATE {_RUNS} SET locked_by = NULL, locked_until = NULL WHERE id = :id{whose}"
    return statement(dialect, sql, {"id": run_id, "owner": owner})
