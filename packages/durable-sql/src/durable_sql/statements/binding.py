"""SQL with ``:named`` parameters → a statement with the driver's placeholders. Values are always bound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from durable_sql.dialect import Dialect
from durable_sql.schema.tables import Table
from durable_sql.session import Statement

__all__ = ["Condition", "among", "both", "bounded", "columns_of", "free_at", "insert", "statement"]

#: A piece of SQL with ``:named`` parameters, and their values.
Condition = tuple[str, dict[str, Any]]

#: More than any table has rows.
_MOST: Final = 2**53
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z][a-z0-9_]*)")


def statement(dialect: Dialect, sql: str, params: Mapping[str, Any] | None = None) -> Statement:
    """*sql* for *dialect*'s driver; a name may stand in it any number of times."""
    texts, names = _taken_apart(sql)
    parts = [texts[0]]
    for position, text in enumerate(texts[1:], 1):
        parts += (dialect.placeholder(position), text)
    return Statement("".join(parts), tuple(_bare((params or {})[name]) for name in names))


def columns_of(dialect: Dialect, names: Iterable[str]) -> str:
    """*names* as a list of identifiers."""
    return ", ".join(map(dialect.quoted, names))


def insert(dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]], behind: str = "") -> Statement:
    """INSERT of *rows*, which have the same columns; *behind* is what to do on a conflict."""
    names = tuple(rows[0])
    params = {f"{name}_{number}": row[name] for number, row in enumerate(rows) for name in names}
    values = ", ".join("(" + ", ".join(f":{name}_{number}" for name in names) + ")" for number, _ in enumerate(rows))
    sql = f"INSERT INTO {table.name} ({columns_of(dialect, names)}) VALUES {values}{behind}"
    return statement(dialect, sql, params)


def among(column: str, name: str, values: Sequence[Any]) -> Condition:
    """*column* is one of *values*; of none, if there are none."""
    if not values:
        return "1 = 0", {}
    params = {f"{name}_{number}": value for number, value in enumerate(values)}
    return f"{column} IN ({', '.join(f':{one}' for one in params)})", params


def free_at(dialect: Dialect, name: str, instant: Any) -> Condition:
    """Nobody's lease reaches beyond *instant*."""
    return f"(locked_until IS NULL OR locked_until <= :{name})", {name: dialect.encode_instant(instant)}


def both(conditions: Iterable[Condition]) -> Condition:
    """All of *conditions*, whose parameters have different names."""
    texts: list[str] = []
    params: dict[str, Any] = {}
    for text, values in conditions:
        texts.append(text)
        params |= values
    return " AND ".join(texts) or "1 = 1", params


def bounded(limit: int) -> int:
    """*limit* as every driver and database can take it."""
    return min(limit, _MOST)


@lru_cache(maxsize=1024)
def _taken_apart(sql: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    parts = _PARAMETER.split(sql)
    return tuple(parts[::2]), tuple(parts[1::2])


def _bare(value: Any) -> Any:
    # Some drivers write a text or number that is also an enum's member by the member's name.
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)
    if isinstance(value, int) and type(value) is not int:
        return int(value)
    return value
