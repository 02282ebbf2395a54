"""What workers ask again and again: which runs are pending, due or left behind; and the claims that take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from durable_core.instants import from_ms
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUNS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, bounded, columns_of, free_at, statement

__all__ = ["PICKED_AT", "Poll", "claim_returning", "list_runs_of", "lock_runs_of", "probe_runs_of", "take_runs"]

#: The column by which a claim's rows are ordered, as it was before the claim.
PICKED_AT: Final = "picked_at"

_RUNS: Final = RUNS.name
_TAKEN: Final = "status = :taken, locked_by = :owner, locked_until = :until, wake_at = NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Which runs, and in what order; ties are broken by id."""

    statuses: tuple[str, ...]
    order: Literal["created_at", "updated_at", "wake_at"]
    namespace: str | None
    due_ms: int | None = None
    free_ms: int | None = None
    limit: int | None = None


def list_runs_of(dialect: Dialect, poll: Poll) -> Statement:
    """The runs of *poll*, nothing locked."""
    return _select(dialect, poll, columns_of(dialect, RUNS.column_names))


def claim_returning(dialect: Dialect, poll: Poll, owner: str, lease_until_ms: int) -> Statement:
    """Take the runs of *poll* that nobody else is taking, and return them, in no order, with `PICKED_AT`."""
    where, params = _where(dialect, poll)
    # Materialized, so that the limit is applied and the locks are taken exactly once, whatever the plan.
    limit = "" if poll.limit is None else " LIMIT :limit"
    sql = (
        f"WITH picked AS MATERIALIZED (SELECT id, {poll.order} AS {PICKED_AT} FROM {_RUNS} WHERE {where} "
        f"ORDER BY {poll.order}, id{limit}{dialect.skip_locked}) "
        f"UPDATE {_RUNS} SET {_TAKEN} WHERE id IN (SELECT id FROM picked) "
        f"RETURNING {columns_of(dialect, RUNS.column_names)}, "
        f"(SELECT {PICKED_AT} FROM picked WHERE picked.id = {_RUNS}.id) AS {PICKED_AT}"
    )
    return statement(dialect, sql, {**params, **_taken(dialect, owner, lease_until_ms), **_limited(poll)})


def probe_runs_of(dialect: Dialect, poll: Poll) -> Statement:
    """The ids of the runs of *poll*, nothing locked: the cheap question that an idle worker asks."""
    return _select(dialect, poll, "id")


def lock_runs_of(dialect: Dialect, poll: Poll, run_ids: Sequence[str]) -> Statement:
    """Those of *run_ids* that still belong to *poll* and that nobody else has locked."""
    # By primary key: an ordered locking read would lock every row that it sorts, not just the first few.
    columns = columns_of(dialect, RUNS.column_names)
    return _select(dialect, poll, columns, among("id", "candidate", run_ids), dialect.skip_locked)


def take_runs(dialect: Dialect, run_ids: Sequence[str], owner: str, lease_until_ms: int) -> Statement:
    """Take runs whose rows this transaction has locked."""
    where, params = among("id", "id", run_ids)
    taken = _taken(dialect, owner, lease_until_ms)
    return statement(dialect, f"UPDATE {_RUNS} SET {_TAKEN} WHERE {where}", {**params, **taken})


def _taken(dialect: Dialect, owner: str, lease_until_ms: int) -> dict[str, Any]:
    until = dialect.encode_instant(from_ms(lease_until_ms))
    return {"taken": "running", "owner": owner, "until": until}


def _select(
    dialect: Dialect, poll: Poll, columns: str, further: Condition | None = None, locking: str = ""
) -> Statement:
    where, params = both([_where(dialect, poll), *([further] if further else [])])
    sql = f"SELECT {columns} FROM {_RUNS} WHERE {where} ORDER BY {poll.order}, id"
    limit = "" if poll.limit is None else " LIMIT :limit"
    return statement(dialect, f"{sql}{limit}{locking}", {**params, **_limited(poll)})


def _limited(poll: Poll) -> dict[str, Any]:
    return {} if poll.limit is None else {"limit": bounded(poll.limit)}


def _where(dialect: Dialect, poll: Poll) -> Condition:
    conditions: list[Condition] = [among("status", "status", poll.statuses)]
    if poll.namespace is not None:
        conditions.append(("namespace = :namespace", {"namespace": poll.namespace}))
    if poll.due_ms is not None:
        conditions.append(("wake_at <= :due", {"due": dialect.encode_instant(from_ms(poll.due_ms))}))
    if poll.free_ms is not None:
        conditions.append(free_at(dialect, "free", from_ms(poll.free_ms)))
    return both(conditions)
