"""Listing runs by what is known of them, and counting them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from durable_core.codec import json_text, plain
from durable_core.instants import to_utc
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import UNSET
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import RUN_ATTRIBUTES, RUNS, Kind
from durable_sql.session import Statement
from durable_sql.statements.binding import Condition, among, both, bounded, columns_of, statement

__all__ = ["count_runs", "list_runs"]

_RUNS: Final = RUNS.name
_PAYLOADS: Final = ("input", "output", "error")
_OPERATORS: Final = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def list_runs(dialect: Dialect, query: RunQuery) -> Statement:
    """The runs that match, newest first."""
    conditions = _conditions(dialect, query)
    if query.before is not None:
        # In this form every database finds its place by the index.
        created_at = dialect.encode_instant(to_utc(query.before[0], "query before"))
        conditions.append(
            (
                "created_at <= :before AND (created_at < :before OR id < :before_id)",
                {"before": created_at, "before_id": query.before[1]},
            )
        )
    where, params = both(conditions)
    names = [name for name in RUNS.column_names if query.payloads or name not in _PAYLOADS]
    paging = ""
    if query.limit is not None:
        paging, params = " LIMIT :limit", {**params, "limit": bounded(query.limit)}
    if query.offset:
        paging = f"{paging or dialect.no_limit} OFFSET :offset"
        params = {**params, "offset": bounded(query.offset)}
    sql = f"SELECT {columns_of(dialect, names)} FROM {_RUNS} WHERE {where} ORDER BY created_at DESC, id DESC{paging}"
    return statement(dialect, sql, params)


def count_runs(dialect: Dialect, query: RunQuery) -> Statement:
    """How many runs match per status and origin, whatever the query says of those."""
    whole = replace(query, status=None, statuses=None, origin=UNSET)
    where, params = both(_conditions(dialect, whole))
    sql = f"SELECT status, origin, COUNT(*) AS runs FROM {_RUNS} WHERE {where} GROUP BY status, origin"
    return statement(dialect, sql, params)


def _conditions(dialect: Dialect, query: RunQuery) -> list[Condition]:
    columns = {name: getattr(query, name) for name in ("workflow", "status", "namespace")}
    conditions: list[Condition] = [
        (f"{name} = :{name}", {name: value}) for name, value in columns.items() if value is not None
    ]
    if query.statuses is not None:
        conditions.append(among("status", "statuses", query.statuses))
    if query.origin is None:
        conditions.append(("(origin IS NULL OR TRIM(origin) = '')", {}))
    elif query.origin is not UNSET:
        conditions.append(("origin = :origin", {"origin": query.origin}))
    if query.tag is not None:
        # Between the marks that set elements apart the text of an element is found nowhere but in its own place:
        # inside a text every quote is escaped, so that no text can look like a mark, an element and a mark.
        conditions.append((dialect.holds_element("tags", ":tag"), {"tag": f'",{json_text(query.tag, "tag")},"'}))
    conditions += (_attribute(dialect, number, wanted) for number, wanted in enumerate(query.attributes))
    return conditions


def _attribute(dialect: Dialect, number: int, wanted: AttributeFilter) -> Condition:
    value: Any = plain(wanted.value, f"attribute filter on {wanted.key!r}")
    if isinstance(value, bool):
        value = "true" if value else "false"
    operator, parameter, kind = _OPERATORS[wanted.op], f":value_{number}", "str_value"
    if not isinstance(value, str):
        kind, value = "num_value", float(value)
        comparison = f"{kind} {operator} {dialect.typed(Kind.NUMBER, parameter)}"
    elif wanted.op in ("eq", "ne"):
        comparison = f"{kind} {operator} {parameter}"
    else:
        comparison = f"{dialect.by_code_point(kind)} {operator} {dialect.by_code_point(parameter)}"
    name = dialect.quoted("key")
    sql = (
        f"EXISTS (SELECT 1 FROM {RUN_ATTRIBUTES.name} WHERE run_id = {_RUNS}.id "
        f"AND {name} = :key_{number} AND {comparison})"
    )
    return sql, {f"key_{number}": wanted.key, f"value_{number}": value}
