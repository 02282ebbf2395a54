"""Retention: which ended runs are too old or too many, and their deletion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUNS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, bounded, free_at, statement

__all__ = ["Violation", "delete_runs", "delete_violators_returning", "last_kept", "list_violators", "lock_violators"]

_RUNS: Final = RUNS.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What makes a run of *statuses* prunable at *now*.

    It is older than *updated_before*, or ranks behind *kept*, the (updated_at, id) of the last run that the count
    keeps, or nothing at all is kept.
    """

    statuses: tuple[str, ...]
    now: datetime
    updated_before: datetime | None
    kept: tuple[Any, str] | None
    keeps_none: bool


def last_kept(dialect: Dialect, statuses: Sequence[str], max_count: int) -> Statement:
    """The (updated_at, id) of the oldest run that *max_count* (1 or more) keeps."""
    where, params = among("status", "status", statuses)
    sql = f"SELECT updated_at, id FROM {_RUNS} WHERE {where} ORDER BY updated_at DESC, id DESC LIMIT 1 OFFSET :skip"
    return statement(dialect, sql, {**params, "skip": max_count - 1})


def list_violators(dialect: Dialect, violation: Violation, limit: int) -> Statement:
    """The ids of the oldest violators, nothing locked."""
    where, params = _where(dialect, violation)
    sql = f"SELECT id FROM {_RUNS} WHERE {where} ORDER BY updated_at, id LIMIT :limit"
    return statement(dialect, sql, {**params, "limit": bounded(limit)})


def delete_violators_returning(dialect: Dialect, violation: Violation, run_ids: Sequence[str]) -> Statement:
    """Delete those of *run_ids* that still are violators and that nobody else has locked; return their ids."""
    where, params = both([_where(dialect, violation), among("id", "id", run_ids)])
    still = f"SELECT id FROM {_RUNS} WHERE {where}{dialect.skip_locked}"
    return statement(dialect, f"DELETE FROM {_RUNS} WHERE id IN ({still}) RETURNING id", params)


def lock_violators(dialect: Dialect, violation: Violation, run_ids: Sequence[str]) -> Statement:
    """Those of *run_ids* that still are violators and that nobody else has locked."""
    where, params = both([_where(dialect, violation), among("id", "id", run_ids)])
    return statement(dialect, f"SELECT id FROM {_RUNS} WHERE {where}{dialect.skip_locked}", params)


def delete_runs(dialect: Dialect, run_ids: Sequence[str]) -> Statement:
    """Delete runs that this transaction has locked."""
    where, params = among("id", "id", run_ids)
    return statement(dialect, f"DELETE FROM {_RUNS} WHERE {where}", params)


def _where(dialect: Dialect, violation: Violation) -> Condition:
    conditions = [among("status", "status", violation.statuses), free_at(dialect, "now", violation.now)]
    if not violation.keeps_none:
        either: list[str] = ["1 = 0"]
        params: dict[str, Any] = {}
        if violation.updated_before is not None:
            either.append("updated_at < :before")
            params["before"] = dialect.encode_instant(violation.updated_before)
        if violation.kept is not None:
            either.append("(updated_at <= :kept_at AND (updated_at < :kept_at OR id < :kept_id))")
            params |= {"kept_at": violation.kept[0], "kept_id": violation.kept[1]}
        conditions.append((f"({' OR '.join(either)})", params))
    return both(conditions)
