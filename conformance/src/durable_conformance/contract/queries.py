"""Listing runs: every condition must hold, and pages visit each run once.

Not yet: 100,000 runs and the captured SQL, which durable_sql asserts for its own statements.
"""

from __future__ import annotations

from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import TWINS, a_full_run, a_run, at, but, ids
from durable_core.errors import InvalidValue
from durable_core.queries import AttributeFilter, RunFacet, RunQuery

__all__ = ["QueryClauses"]

_HOSTILE = (
    "'",
    '"',
    "\\",
    "' OR '1'='1",
    '" OR ""="',
    "\\' OR 1=1 --",
    "%s",
    "?",
    ":x",
    "{}",
    "$1",
    "%(x)s",
    "%%",
    "`",
    ";",
)


class QueryClauses(ClauseGroup):
    """list_runs but for tags and attributes."""

    @clause("QUERY-01")
    async def test_an_empty_query_lists_all(self) -> None:
        for run_id, created in (("a", 0), ("c", 0), ("b", 0), ("old", -1), ("new", 1)):
            await self.store.create_run(a_full_run(run_id, created_at=at(created), updated_at=at(-created)))
        listed = await self.store.list_runs(RunQuery())
        assert ids(listed) == ["new", "c", "b", "a", "old"]
        assert listed[0] == a_full_run("new", created_at=at(1), updated_at=at(-1))

    @clause("QUERY-02")
    async def test_workflow_and_status(self) -> None:
        for workflow in ("checkout", "refund", "Refund"):
            for status in ("pending", "completed"):
                await self._create(f"{workflow}-{status}", workflow=workflow, status=status)
        assert await self._ids(workflow="refund") == ["refund-pending", "refund-completed"]
        assert await self._ids(status="pending") == ["refund-pending", "checkout-pending", "Refund-pending"]
        assert await self._ids(workflow="refund", status="pending") == ["refund-pending"]
        assert await self._ids(workflow="refund", status="failed") == []

    @clause("QUERY-03")
    async def test_statuses(self) -> None:
        for status in ("pending", "running", "failed"):
            await self._create(status, status=status)
        assert await self._ids(statuses=("pending", "failed", "failed")) == ["pending", "failed"]
        assert await self._ids(statuses=("pending", "failed"), status="failed") == ["failed"]
        assert await self._ids(statuses=("pending",), status="failed") == []
        assert await self._ids(statuses=()) == []
        assert await self._ids(statuses=(), status="failed") == []

    @clause("QUERY-04")
    async def test_origin(self) -> None:
        for run_id, origin in (("a", "api"), ("b", "API"), ("c", None), ("d", "cron")):
            await self._create(run_id, origin=origin, status="failed" if run_id == "d" else "pending")
        assert await self._ids(origin="api") == ["a"]
        assert await self._ids(origin="unknown") == []
        assert await self._ids(origin=None) == ["c"]
        assert await self._ids(origin=None, status="failed") == []
        assert await self._ids() == ["d", "c", "b", "a"]

    @clause("QUERY-05")
    async def test_namespace(self) -> None:
        for run_id, namespace in (("a", None), ("b", "shop"), ("c", "Shop"), ("d", "")):
            await self._create(run_id, namespace=namespace)
        assert await self._ids(namespace="default") == ["a"]
        assert await self._ids(namespace="shop") == ["b"]
        assert await self._ids(namespace="") == ["d"]
        assert await self._ids(namespace=None) == ["d", "c", "b", "a"]

    @clause("QUERY-06")
    async def test_limit_and_offset(self) -> None:
        for number in range(8):
            await self._create(f"r{number}", created_at=at(number), workflow="even" if number % 2 == 0 else "odd")
        assert await self._ids(workflow="even", limit=2) == ["r6", "r4"]
        assert await self._ids(workflow="even", limit=2, offset=1) == ["r4", "r2"]
        assert await self._ids(workflow="even", limit=9, offset=3) == ["r0"]

    @clause("QUERY-07")
    async def test_odd_limits_and_offsets(self) -> None:
        for number in range(4):
            await self._create(f"r{number}")
        assert await self._ids(offset=1) == ["r2", "r1", "r0"]
        assert await self._ids(offset=4) == []
        assert await self._ids(offset=400, limit=2) == []
        assert await self._ids(limit=0) == []
        assert await self._ids(limit=0, offset=2) == []

    @clause("QUERY-08")
    async def test_pages_by_offset(self) -> None:
        everything = [f"r{number:02}" for number in range(17)]
        for run_id in sorted(everything, key=lambda one: one[::-1]):
            await self._create(run_id)
        pages = [await self._ids(limit=5, offset=offset) for offset in range(0, 20, 5)]
        assert [run_id for page in pages for run_id in page] == everything[::-1]

    @clause("QUERY-09")
    async def test_pages_by_key(self) -> None:
        everything = {*TWINS, *(f"{first}{number}" for first in "aAzZ_0" for number in range(3))}
        for number, run_id in enumerate(sorted(everything)):
            await self._create(run_id, created_at=at(number % 2))
        seen: list[str] = []
        before = None
        for page in range(20):
            runs = await self.store.list_runs(RunQuery(before=before, limit=4))
            if not runs:
                break
            seen += ids(runs)
            before = (runs[-1].created_at, runs[-1].id)
            await self._create(f"new-{page}", created_at=at(10 + page))
        assert sorted(seen) == sorted(everything)
        assert len(seen) == len(everything)

    @clause("QUERY-10")
    async def test_a_page_by_key_with_filters(self) -> None:
        for number in range(6):
            await self._create(f"r{number}", workflow="even" if number % 2 == 0 else "odd", created_at=at(number // 3))
        assert await self._ids(before=(at(0), "r1")) == ["r0"]
        assert await self._ids(before=(at(1), "r4")) == ["r3", "r2", "r1", "r0"]
        assert await self._ids(before=(at(1), "r"), limit=2, offset=1) == ["r1", "r0"]
        assert await self._ids(before=(at(1), "r5"), workflow="even") == ["r4", "r2", "r0"]
        assert await self._ids(before=(at(-1), "r9")) == []

    @clause("QUERY-11")
    async def test_empty_texts_match_nothing(self) -> None:
        await self._create("r1", tags=("a",), origin="api")
        for field in ("workflow", "status", "tag", "namespace"):
            assert await self._ids(**{field: ""}) == [], field
        assert await self._ids(statuses=("",)) == []

    @clause("QUERY-12")
    async def test_without_payloads(self) -> None:
        await self.store.create_run(a_full_run())
        bare = but(a_full_run(), input=None, output=None, error=None)
        assert await self.store.list_runs(RunQuery(payloads=False)) == [bare]

    @clause("QUERY-13")
    async def test_all_conditions_must_hold(self) -> None:
        await self.store.create_run(a_full_run())
        attribute = AttributeFilter(key="items", op="gte", value=3)
        holds: dict[str, Any] = {
            "workflow": "checkout",
            "status": "running",
            "statuses": ("running", "failed"),
            "tag": "a b",
            "attributes": (attribute, AttributeFilter(key="city", op="eq", value="Köln")),
            "namespace": "shop",
            "origin": "cron",
            "before": (at(0), "r0"),
        }
        fails: dict[str, Any] = {
            "workflow": "refund",
            "status": "failed",
            "statuses": ("failed",),
            "tag": "a",
            "attributes": (attribute, AttributeFilter(key="city", op="eq", value="Bonn")),
            "namespace": "default",
            "origin": None,
            "before": (at(-6), "r9"),
        }
        assert await self._ids(**holds) == ["r1"]
        for field, value in fails.items():
            assert await self._ids(**holds | {field: value}) == [], field

    @clause("QUERY-14")
    async def test_bad_queries_are_refused(self) -> None:
        bad: list[dict[str, Any]] = [
            {"limit": -1},
            {"limit": 1.5},
            {"offset": -1},
            {"before": (at(0).replace(tzinfo=None), "r1")},
            {"attributes": (AttributeFilter(key="n", op="like", value=1),)},  # type: ignore[arg-type]
            {"attributes": (AttributeFilter(key="n", op="eq", value=float("nan")),)},
        ]
        for query in bad:
            with pytest.raises(InvalidValue):
                await self.store.list_runs(RunQuery(**query))

    @clause("QUERY-15")
    async def test_hostile_text_is_text(self) -> None:
        for number, text in enumerate(_HOSTILE):
            hostile: dict[str, Any] = {"workflow": text, "namespace": text, "origin": text, "status": text}
            await self._create(f"r{number:02}", tags=(text,), search_attributes={text: text}, **hostile)
        for number, text in enumerate(_HOSTILE):
            own = [f"r{number:02}"]
            for field in ("workflow", "namespace", "origin", "status", "tag"):
                assert await self._ids(**{field: text}) == own, (field, text)
            assert await self._ids(statuses=(text,)) == own
            assert await self._ids(attributes=(AttributeFilter(key=text, op="eq", value=text),)) == own
            assert await self.store.run_facets(RunQuery(workflow=text)) == [RunFacet(status=text, origin=text, count=1)]
            assert ids(await self.store.list_pending_runs(9, text)) == []

    async def _create(self, run_id: str, **changes: object) -> None:
        await self.store.create_run(a_run(run_id, **changes))

    async def _ids(self, **conditions: Any) -> list[str]:
        return ids(await self.store.list_runs(RunQuery(**conditions)))
