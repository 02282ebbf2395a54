"""Runs and their search attributes: create, change under a guard, park, read, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from durable_core.instants import from_ms
from durable_core.records import UNSET, Guard
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import CHECKPOINTS, RUN_ATTRIBUTES, RUNS, SIGNALS, WAITERS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, columns_of, free_at, insert, statement

__all__ = ["check_guard", "create_attributes", "create_run", "delete_attributes", "delete_parts_of_runs"]
__all__ += ["delete_run", "get_run", "status_of_run", "suspend_run", "update_run"]

_RUNS: Final = RUNS.name


def create_run(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """One row, or none if the id exists."""
    return insert(dialect, RUNS, [row], dialect.insert_once(RUNS.primary_key))


def create_attributes(dialect: Dialect, rows: Sequence[Mapping[str, Any]]) -> Statement:
    """The rows that index a run's search attributes."""
    return insert(dialect, RUN_ATTRIBUTES, rows)


def delete_attributes(dialect: Dialect, run_id: str) -> Statement:
    """Before a run's search attributes are replaced."""
    return statement(dialect, f"DELETE FROM {RUN_ATTRIBUTES.name} WHERE run_id = :id", {"id": run_id})


def update_run(dialect: Dialect, run_id: str, columns: Mapping[str, Any], expect: Guard | None) -> Statement:
    """Write *columns* if *expect* holds."""
    where, params = _guarded(dialect, run_id, expect)
    changes = ", ".join(f"{dialect.quoted(name)} = :{name}" for name in columns)
    return statement(dialect, f"UPDATE {_RUNS} SET {changes} WHERE {where}", {**columns, **params})


def check_guard(dialect: Dialect, run_id: str, expect: Guard | None, *, lock: bool) -> Statement:
    """A row if the run is there and *expect* holds."""
    where, params = _guarded(dialect, run_id, expect)
    return statement(dialect, f"SELECT id FROM {_RUNS} WHERE {where}{dialect.for_update if lock else ''}", params)


def status_of_run(dialect: Dialect, run_id: str, *, lock: bool) -> Statement:
    """The run's status; with *lock* it stays what it is until this transaction ends."""
    locking = dialect.for_update if lock else ""
    return statement(dialect, f"SELECT status FROM {_RUNS} WHERE id = :id{locking}", {"id": run_id})


def suspend_run(dialect: Dialect, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> Statement:
    """Park a running run, keeping an earlier wake_at that a signal left."""
    sql = (
        f"UPDATE {_RUNS} SET status = :suspended, locked_by = NULL, locked_until = NULL, recovery_attempts = 0, "
        "wake_at = CASE WHEN wake_at < :wake_at THEN wake_at ELSE :wake_at END, updated_at = :now "
        "WHERE id = :id AND locked_by = :owner AND status = :running"
    )
    params = {
        "suspended": "suspended",
        "wake_at": dialect.encode_instant(from_ms(wake_at_ms)),
        "now": dialect.encode_instant(now),
        "id": run_id,
        "owner": owner,
        "running": "running",
    }
    return statement(dialect, sql, params)


def get_run(dialect: Dialect, run_id: str, *, locking: str = "") -> Statement:
    """The whole row."""
    sql = f"SELECT {columns_of(dialect, RUNS.column_names)} FROM {_RUNS} WHERE id = :id{locking}"
    return statement(dialect, sql, {"id": run_id})


def delete_run(dialect: Dialect, run_id: str) -> Statement:
    """The run's own row."""
    return statement(dialect, f"DELETE FROM {_RUNS} WHERE id = :id", {"id": run_id})


def delete_parts_of_runs(dialect: Dialect, run_ids: Sequence[str]) -> list[Statement]:
    """Everything that hangs on runs, and what was buffered for them by their children."""
    by_run = [(table, "run_id", run_ids) for table in (CHECKPOINTS, WAITERS, RUN_ATTRIBUTES)]
    by_token = (SIGNALS, "token", [f"child:{run_id}" for run_id in run_ids])
    statements = []
    for table, column, values in (*by_run, by_token):
        where, params = among(column, "one", values)
        statements.append(statement(dialect, f"DELETE FROM {table.name} WHERE {where}", params))
    return statements


def _guarded(dialect: Dialect, run_id: str, expect: Guard | None) -> Condition:
    conditions: list[Condition] = [("id = :guard_id", {"guard_id": run_id})]
    if expect is not None:
        if expect.statuses is not None:
            conditions.append(among("status", "guard_status", expect.statuses))
        if expect.owner is None:
            conditions.append(("locked_by IS NULL", {}))
        elif expect.owner is not UNSET:
            conditions.append(("locked_by = :guard_owner", {"guard_owner": expect.owner}))
        if expect.lease_expired_ms is not None:
            conditions.append(free_at(dialect, "guard_instant", from_ms(expect.lease_expired_ms)))
    return both(conditions)
