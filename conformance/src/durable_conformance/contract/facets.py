"""Facets: how many runs there are per status and origin, over the same filters as the list."""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import a_run, at
from durable_core.errors import InvalidValue
from durable_core.queries import AttributeFilter, RunQuery

__all__ = ["FacetClauses"]


class FacetClauses(ClauseGroup):
    """run_facets."""

    @clause("FACET-01")
    async def test_counts(self) -> None:
        cells = {("pending", "api"): 2, ("pending", None): 1, ("failed", "api"): 1, ("failed", "API"): 3}
        for (status, origin), count in cells.items():
            for number in range(count):
                await self._create(f"{status}-{origin}-{number}", status=status, origin=origin)
        assert await self._facets() == cells

    @clause("FACET-02")
    async def test_filters(self) -> None:
        await self._create("r1", status="failed", origin="api", tags=("a",), search_attributes={"n": 1})
        await self._create("r2", workflow="refund", tags=("a",))
        await self._create("r3", namespace="shop", search_attributes={"n": 1})
        one, pending = {("failed", "api"): 1}, {("pending", None): 1}
        n = (AttributeFilter(key="n", op="eq", value=1),)
        assert await self._facets(tag="a") == one | pending
        assert await self._facets(attributes=n) == one | pending
        assert await self._facets(workflow="refund") == pending
        assert await self._facets(namespace="shop") == pending
        assert await self._facets(namespace="default", attributes=n) == one
        ignored: dict[str, Any] = {
            "status": "cancelled",
            "statuses": (),
            "origin": "nobody",
            "limit": 0,
            "offset": 7,
            "before": (at(-9), "r0"),
            "payloads": False,
        }
        assert await self._facets(tag="a", **ignored) == one | pending

    @clause("FACET-03")
    async def test_no_runs_no_facets(self) -> None:
        assert await self.store.run_facets(RunQuery()) == []
        await self._create("r1")
        assert await self.store.run_facets(RunQuery(workflow="")) == []

    @clause("FACET-04")
    async def test_a_blank_origin_counts_as_unknown(self) -> None:
        for run_id, origin in (("r1", ""), ("r2", "   "), ("r3", None)):
            await self._create(run_id, origin=origin)
        assert await self._facets() == {("pending", None): 3}
        assert len(await self.store.list_runs(RunQuery(origin=None))) == 3

    @clause("FACET-05")
    async def test_counts_are_ints(self) -> None:
        for number in range(12):
            await self._create(f"r{number}")
        (facet,) = await self.store.run_facets(RunQuery())
        assert type(facet.count) is int
        assert facet.count == 12

    @clause("FACET-06")
    async def test_bad_queries_of_facets_are_refused(self) -> None:
        with pytest.raises(InvalidValue):
            await self.store.run_facets(RunQuery(attributes=(AttributeFilter(key="n", op="eq", value=float("inf")),)))

    async def _create(self, run_id: str, **changes: object) -> None:
        await self.store.create_run(a_run(run_id, **changes))

    async def _facets(self, **conditions: Any) -> dict[tuple[str, str | None], int]:
        facets = await self.store.run_facets(RunQuery(**conditions))
        counts = {(one.status, one.origin): one.count for one in facets}
        assert len(counts) == len(facets), "a cell came twice"
        return counts
