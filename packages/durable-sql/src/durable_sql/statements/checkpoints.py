"""Checkpoints: save, under a fence or not, and read by position or name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from durable_sql.dialect import Dialect
from durable_sql.schema.tables import CHECKPOINTS, RUNS
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, columns_of, insert, statement

__all__ = ["check_fence", "get_checkpoint", "latest_by_name", "list_by_prefix", "list_checkpoints", "lock_checkpoint"]
__all__ += ["save_checkpoint", "save_fenced"]

_REPLACED: Final = tuple(name for name in CHECKPOINTS.column_names if name not in CHECKPOINTS.primary_key)


def save_checkpoint(dialect: Dialect, row: Mapping[str, Any]) -> Statement:
    """Insert, or replace every column."""
    return insert(dialect, CHECKPOINTS, [row], _replacing(dialect))


def save_fenced(dialect: Dialect, row: Mapping[str, Any], owner: str) -> Statement:
    """The same while *owner* holds the run.

    The run's row is locked for share: a late writer waits for whoever takes the run over, and then writes nothing.
    """
    values = ", ".join(dialect.typed(column.kind, f":{column.name}") for column in CHECKPOINTS.columns)
    sql = (
        f"INSERT INTO {CHECKPOINTS.name} ({columns_of(dialect, CHECKPOINTS.column_names)}) "
        f"SELECT {values} FROM {RUNS.name} WHERE {RUNS.name}.id = :fence_run AND locked_by = :fence_owner"
        f"{dialect.for_share}{_replacing(dialect)}"
    )
    return statement(dialect, sql, {**row, "fence_run": row["run_id"], "fence_owner": owner})


def check_fence(dialect: Dialect, run_id: str, owner: str) -> Statement:
    """A row if *owner* holds the run, which then stays so until this transaction ends."""
    sql = f"SELECT id FROM {RUNS.name} WHERE id = :id AND locked_by = :owner{dialect.for_update}"
    return statement(dialect, sql, {"id": run_id, "owner": owner})


def get_checkpoint(dialect: Dialect, run_id: str, seq: int) -> Statement:
    """The checkpoint at that position."""
    return _select(dialect, ("seq = :seq", {"seq": seq}), run_id)


def lock_checkpoint(dialect: Dialect, run_id: str, seq: int) -> Statement:
    """The checkpoint at that position as it is now, even where a transaction reads from a snapshot."""
    return _select(dialect, ("seq = :seq", {"seq": seq}), run_id, dialect.for_share)


def list_checkpoints(dialect: Dialect, run_id: str) -> Statement:
    """All checkpoints of the run, by seq."""
    return _select(dialect, ("1 = 1", {}), run_id, " ORDER BY seq")


def latest_by_name(dialect: Dialect, run_id: str, name: str) -> Statement:
    """The checkpoint of that name with the highest seq."""
    return _select(dialect, ("name = :name", {"name": name}), run_id, " ORDER BY seq DESC LIMIT 1")


def list_by_prefix(dialect: Dialect, run_id: str, prefixes: Sequence[str]) -> Statement:
    """The checkpoints whose names start with one of *prefixes*, by seq."""
    params: dict[str, Any] = {}
    either: list[str] = []
    for number, prefix in enumerate(prefixes):
        sql, bounds = dialect.starts_with("name", f"prefix_{number}", prefix)
        either.append(f"({sql})")
        params |= bounds
    return _select(dialect, (f"({' OR '.join(either)})", params), run_id, " ORDER BY seq")


def _select(dialect: Dialect, condition: Condition, run_id: str, behind: str = "") -> Statement:
    sql, params = condition
    columns = columns_of(dialect, CHECKPOINTS.column_names)
    whole = f"SELECT {columns} FROM {CHECKPOINTS.name} WHERE run_id = :run_id AND {sql}{behind}"
    return statement(dialect, whole, {**params, "run_id": run_id})


def _replacing(dialect: Dialect) -> str:
    return dialect.upsert(CHECKPOINTS.primary_key, [dialect.quoted(name) for name in _REPLACED])
