"""Listing runs by what is known of them, and counting them."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from durable_core.codec import plain
from durable_core.instants import to_utc
from durable_core.memory.rows import Rows, read_tags
from durable_core.memory.tables import RunRow, Tables
from durable_core.queries import AttributeFilter, RunFacet, RunQuery
from durable_core.records import UNSET, WorkflowRun
from durable_core.validation import check_query

__all__ = ["Listing"]


class Listing:
    """Queries over all runs."""

    def __init__(self, tables: Tables, rows: Rows) -> None:
        self._tables = tables
        self._rows = rows

    def runs(self, query: RunQuery) -> list[WorkflowRun]:
        """`StateStore.list_runs`."""
        check_query(query)
        rows = self._matching(query)
        if query.before is not None:
            created_at, run_id = query.before
            boundary = (to_utc(created_at, "query before"), run_id)
            rows = [row for row in rows if (row.created_at, row.id) < boundary]
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        end = None if query.limit is None else query.offset + query.limit
        return [self._rows.run(row, payloads=query.payloads) for row in rows[query.offset : end]]

    def facets(self, query: RunQuery) -> list[RunFacet]:
        """`StateStore.run_facets`."""
        check_query(query)
        rows = self._matching(replace(query, status=None, statuses=None, origin=UNSET))
        counts = Counter((row.status, row.origin) for row in rows)
        return [
            RunFacet(status=status, origin=origin, count=count)
            for (status, origin), count in sorted(counts.items(), key=lambda one: (one[0][0], one[0][1] or ""))
        ]

    def _matching(self, query: RunQuery) -> list[RunRow]:
        return [row for row in self._tables.runs.all() if _has_columns(row, query) and self._has_parts(row, query)]

    def _has_parts(self, row: RunRow, query: RunQuery) -> bool:
        if query.tag is not None and query.tag not in read_tags(row.tags):
            return False
        return all(self._has_attribute(row.id, wanted) for wanted in query.attributes)

    def _has_attribute(self, run_id: str, wanted: AttributeFilter) -> bool:
        stored = self._tables.attributes.get((run_id, wanted.key))
        operand = plain(wanted.value, f"attribute filter on {wanted.key!r}")
        if stored is None:
            return False
        if isinstance(operand, bool):
            operand = "true" if operand else "false"
        value: Any = stored.str_value if isinstance(operand, str) else stored.num_value
        return value is not None and _OPERATORS[wanted.op](
            value, operand if isinstance(operand, str) else float(operand)
        )


def _has_columns(row: RunRow, query: RunQuery) -> bool:
    return (
        (query.workflow is None or row.workflow == query.workflow)
        and (query.status is None or row.status == query.status)
        and (query.statuses is None or row.status in query.statuses)
        and (query.namespace is None or row.namespace == query.namespace)
        and (query.origin is UNSET or row.origin == query.origin)
    )


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
