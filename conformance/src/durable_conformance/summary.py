"""The closing words: per cell, what ran, what passed, and what did not run and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import pytest

from durable_conformance.clauses import Clause, registered_clauses
from durable_conformance.harness import Harness
from durable_conformance.requirement import LEFT_OUT

__all__ = ["note_clause", "note_gap", "note_not_applicable", "write_summary"]

# Properties travel with the report, so that the controller of a distributed run sees them too.
_CLAUSE: Final = "durable_clause"
_GAP: Final = "durable_gap"
_NOT_APPLICABLE: Final = "durable_not_applicable"


def note_clause(item: pytest.Item, harness: Harness, clause: Clause) -> None:
    """Have the summary count this test as *clause* of the cell."""
    item.user_properties.append((_CLAUSE, [harness.name, clause.id]))


def note_gap(item: pytest.Item, harness: Harness, clause: Clause, reason: str) -> NoReturn:
    """End the test as a gap that the harness declares."""
    item.user_properties.append((_GAP, reason))
    pytest.skip(f"{harness.name}: NOT IMPLEMENTED {clause.id}: {reason}")


def note_not_applicable(item: pytest.Item, harness: Harness, clause: Clause, reason: str) -> NoReturn:
    """End the test as one that this cell cannot be asked."""
    item.user_properties.append((_NOT_APPLICABLE, reason))
    pytest.skip(f"{harness.name}: {clause.id} does not apply: {reason}")


@dataclass(slots=True)
class _Tally:
    seen: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    gaps: dict[str, str] = field(default_factory=dict)
    not_applicable: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, clause_id: str, outcome: str, properties: dict[str, object]) -> None:
        self.seen.add(clause_id)
        if outcome == "passed":
            self.passed.add(clause_id)
        elif outcome in ("failed", "error"):
            self.failed.add(clause_id)
        elif _GAP in properties:
            self.gaps[clause_id] = str(properties[_GAP])
        elif _NOT_APPLICABLE in properties:
            self.not_applicable[str(properties[_NOT_APPLICABLE])].add(clause_id)

    def lines(self, cell: str) -> Iterator[str]:
        told = [f"{len(self.passed - self.failed)} passed", f"{len(self.failed)} failed"]
        if self.gaps:
            told.append(f"{len(self.gaps)} NOT IMPLEMENTED")
        if self.not_applicable:
            told.append(f"{sum(map(len, self.not_applicable.values()))} not applicable")
        if not_run := len(registered_clauses()) - len(self.seen):
            told.append(f"{not_run} not selected")
        yield f"{cell}: {len(registered_clauses())} clauses: {', '.join(told)}"
        if self.failed:
            yield f"    failed: {' '.join(sorted(self.failed))}"
        for clause_id, reason in sorted(self.gaps.items()):
            yield f"    NOT IMPLEMENTED {clause_id}: {reason}"
        for reason, ids in sorted(self.not_applicable.items()):
            yield f"    not applicable ({reason}): {' '.join(sorted(ids))}"


def write_summary(reporter: pytest.TerminalReporter) -> None:
    """Tell of every cell what ran, and of every cell that did not run why."""
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    left_out: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in reporter.stats.get(outcome, []):
            properties = dict(getattr(report, "user_properties", ()))
            if LEFT_OUT in properties:
                left_out[str(properties[LEFT_OUT])] += 1
            elif _CLAUSE in properties:
                cell, clause_id = properties[_CLAUSE]
                tallies[cell].add(clause_id, outcome, properties)
    if tallies:
        reporter.write_sep("-", "durable: conformance")
        for cell, tally in sorted(tallies.items()):
            for line in tally.lines(cell):
                reporter.write_line(line)
    if left_out:
        reporter.write_sep("-", "durable: cells left out")
        for why, tests in sorted(left_out.items()):
            reporter.write_line(f"{why} ({tests} tests)")
