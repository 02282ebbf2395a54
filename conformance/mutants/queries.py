"""Queries, facets and retention that count or match wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from durable_core.memory import InMemoryStateStore
from durable_core.queries import RetentionPolicy, RunFacet, RunQuery
from durable_core.records import WorkflowRun
from mutants.registry import killed_by

__all__ = [
    "BooleansAreNumbers",
    "EmptyTextIsNoFilter",
    "EveryNamespaceIsListed",
    "FacetsObeyStatus",
    "KeysetWithoutId",
    "OffsetIgnored",
    "PrunesAtThatVeryAge",
    "PrunesLeasedRuns",
    "TagsByLike",
    "TagsBySubstring",
]


@killed_by("QUERY-06", "QUERY-08")
class OffsetIgnored(InMemoryStateStore):
    """An offset is ignored."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await super().list_runs(replace(query, offset=0))


@killed_by("QUERY-09", "QUERY-10")
class KeysetWithoutId(InMemoryStateStore):
    """A page by key compares the instant without the id."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        if query.before is None:
            return await super().list_runs(query)
        everything = await super().list_runs(replace(query, before=None, limit=None, offset=0))
        rest = [one for one in everything if one.created_at < query.before[0]]
        return rest[query.offset :][: query.limit]


@killed_by("QUERY-11")
class EmptyTextIsNoFilter(InMemoryStateStore):
    """An empty text is taken for no filter."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await super().list_runs(replace(query, workflow=query.workflow or None, status=query.status or None))


@killed_by("TAG-01", "TAG-02")
class TagsBySubstring(InMemoryStateStore):
    """A tag is looked for as a part of the list's text."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        runs = await super().list_runs(replace(query, tag=None))
        return [one for one in runs if query.tag is None or query.tag in ",".join(one.tags or ())]


@killed_by("FACET-02")
class FacetsObeyStatus(InMemoryStateStore):
    """Facets are narrowed by the status that they count."""

    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        return [one for one in await super().run_facets(query) if query.status in (None, one.status)]


@killed_by("ATTR-04")
class BooleansAreNumbers(InMemoryStateStore):
    """A boolean attribute is stored as a number."""

    async def create_run(self, run: WorkflowRun) -> bool:
        attributes = {
            key: int(value) if isinstance(value, bool) else value
            for key, value in (run.search_attributes or {}).items()
        }
        return await super().create_run(replace(run, search_attributes=attributes))


@killed_by("PRUNE-08")
class PrunesLeasedRuns(InMemoryStateStore):
    """Retention deletes runs that somebody holds."""

    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        for run in await self.list_runs(RunQuery()):
            await self.release_run_lock(run.id)
        return await super().prune_terminal_runs(policy, now_ms, limit)


@killed_by("TAG-02")
class TagsByLike(InMemoryStateStore):
    """A tag is looked for with LIKE, wildcards and folded case included."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        runs = await super().list_runs(replace(query, tag=None))
        if query.tag is None:
            return runs
        like = re.escape(f'"{query.tag}"').replace("%", ".*").replace("_", ".")
        return [one for one in runs if re.search(like, json.dumps(one.tags or ()), re.IGNORECASE | re.DOTALL)]


@killed_by("QUERY-05")
class EveryNamespaceIsListed(InMemoryStateStore):
    """The list of runs ignores the namespace."""

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        return await super().list_runs(replace(query, namespace=None))


@killed_by("PRUNE-01")
class PrunesAtThatVeryAge(InMemoryStateStore):
    """Retention deletes a run that is just as old as it may be."""

    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        return await super().prune_terminal_runs(policy, now_ms + 1, limit)
