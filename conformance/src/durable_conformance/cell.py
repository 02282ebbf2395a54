"""A cell at work: one harness, its schema made once, its clauses run one after the other."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from durable_conformance.clauses import Clause, registered_clauses
from durable_conformance.group import group_of
from durable_conformance.harness import Harness, StoreAbsent
from durable_conformance.opening import opened, settled
from durable_conformance.requirement import leave_out
from durable_conformance.tables import drop_tables
from durable_conformance.verdicts import GapPasses, Verdict, end_as, note_clause, note_gap_passes
from durable_core.drive import run_blocking

__all__ = ["Cell", "run_clause"]


class Cell:
    """One store on one database for as long as its test class runs."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self._has_schema = False
        self._absent: str | None = None

    def judge(self, clause: Clause, request: pytest.FixtureRequest) -> None:
        """Run *clause* as a pytest test: pass, fail, or be left out with a reason that the summary tells."""
        note_clause(request.node, self.harness, clause)
        unknown = self.harness.gaps.keys() - {one.id for one in registered_clauses()}
        if unknown:
            pytest.fail(f"{self.harness.name} declares gaps that are no clauses: {sorted(unknown)}", pytrace=False)
        # First of all: what a cell lacks cannot be told while its database is not there.
        self._leave_out_if_absent(self._prepare(), request)
        if reason := clause.why_not_applicable(self.harness):
            end_as(Verdict.NOT_APPLICABLE, request.node, reason)
        gap = self.harness.gaps.get(clause.id)
        if gap is None and not clause.is_preview:
            self._leave_out_if_absent(self._run(clause), request)
            return
        failure = self._failure_of(clause, request)
        if failure is not None:
            verdict = Verdict.PREVIEW if gap is None else Verdict.NOT_IMPLEMENTED
            end_as(verdict, request.node, f"{type(failure).__name__}: {failure}" if gap is None else gap)
        elif gap is not None:
            note_gap_passes(request.node, gap)
            warnings.warn(GapPasses(f"{self.harness.name}: {clause.id} passes; its gap may go ({gap})"), stacklevel=2)

    def run(self, clause: Clause) -> None:
        """Run *clause* on an empty database and raise what it raises."""
        self._drive(self._run(clause))

    def close(self) -> None:
        """Give the database back."""
        self.harness.close()

    def _leave_out_if_absent(self, work: Coroutine[Any, Any, None], request: pytest.FixtureRequest) -> None:
        if self._absent is None:
            try:
                self._drive(work)
            except StoreAbsent as absent:
                self._absent = str(absent)
        work.close()
        if self._absent is not None:
            leave_out(request, self.harness.name, self._absent, backend=self.harness.backend)

    def _failure_of(self, clause: Clause, request: pytest.FixtureRequest) -> BaseException | None:
        try:
            self._leave_out_if_absent(self._run(clause), request)
        except (Exception, BaseExceptionGroup, pytest.fail.Exception) as failure:
            if self._absent is not None:
                raise
            return failure
        return None

    def _drive(self, work: Coroutine[Any, Any, None]) -> None:
        if self.harness.blocking:
            run_blocking(work)
        else:
            asyncio.run(work)

    async def _prepare(self) -> None:
        if not self._has_schema:
            async with opened(self.harness) as store:
                await store.ensure_schema()
            self._has_schema = True

    async def _run(self, clause: Clause) -> None:
        probe = self.harness.sql if clause.spoils_schema else None
        try:
            await self._prepare()
            await settled(self.harness.reset())
            async with AsyncExitStack() as handles:
                store = await handles.enter_async_context(opened(self.harness))
                group = group_of(clause)
                group.begin(self.harness, store, handles)
                await clause.body(group)
        finally:
            if probe is not None:
                self._has_schema = False
                drop_tables(probe)


def run_clause(harness: Harness, clause_id: str) -> None:
    """Run one clause outside pytest's own round, and raise what it raises; for tests of mutant stores."""
    cell = Cell(harness)
    try:
        cell.run(next(one for one in registered_clauses() if one.id == clause_id))
    finally:
        cell.close()
