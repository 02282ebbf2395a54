"""Listing runs by what is known of them, and counting them."""

from __future__ import annotations

from collections import Counter

from durable_core.queries import RunFacet, RunQuery
from durable_core.records import WorkflowRun
from durable_core.validation import check_query
from durable_sql.rows import Rows
from durable_sql.session import Session
from durable_sql.statements import listing

__all__ = ["Listing"]


class Listing:
    """Queries over all runs."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def runs(self, query: RunQuery) -> list[WorkflowRun]:
        """`StateStore.list_runs`."""
        check_query(query)
        if query.limit == 0 or query.statuses == ():
            return []
        found = await self._session.fetch(listing.list_runs(self._session.dialect, query))
        return [self._rows.run(row) for row in found]

    async def facets(self, query: RunQuery) -> list[RunFacet]:
        """`StateStore.run_facets`."""
        check_query(query)
        counts: Counter[tuple[str, str | None]] = Counter()
        for row in await self._session.fetch(listing.count_runs(self._session.dialect, query)):
            origin = row["origin"]
            blank = origin is None or not origin.strip(" ")
            counts[row["status"], None if blank else origin] += int(row["runs"])
        return [
            RunFacet(status=status, origin=origin, count=count)
            for (status, origin), count in sorted(counts.items(), key=lambda one: (one[0][0], one[0][1] or ""))
        ]
