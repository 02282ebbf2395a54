"""The closing words: per cell, what ran, what passed, and what did not run and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest

from durable_conformance.clauses import registered_clauses
from durable_conformance.verdicts import Findings, Ruling, Verdict

__all__ = ["write_summary"]

#: What every cell is told, be it none.
_ALWAYS = (Verdict.PASSED, Verdict.FAILED)
#: What each clause has a reason of its own for.
_ONE_BY_ONE = (Verdict.NOT_IMPLEMENTED, Verdict.GAP_PASSES, Verdict.PREVIEW)


def write_summary(reporter: pytest.TerminalReporter, findings: Findings) -> None:
    """Tell of every cell what ran, and of every cell that did not run why."""
    if findings.cells:
        reporter.write_sep("-", "durable: conformance")
        for cell, rulings in sorted(findings.cells.items()):
            for line in _lines(cell, rulings):
                reporter.write_line(line)
    if findings.left_out:
        reporter.write_sep("-", "durable: cells left out")
        for why, tests in sorted(findings.left_out.items()):
            reporter.write_line(f"{why} ({tests} tests)")


def _lines(cell: str, rulings: Mapping[str, Ruling]) -> Iterator[str]:
    found: dict[Verdict, dict[str, str]] = defaultdict(dict)
    for clause_id, ruling in sorted(rulings.items()):
        found[ruling.verdict][clause_id] = ruling.reason
    told = [f"{len(found[one])} {one.value}" for one in Verdict if one in _ALWAYS or found[one]]
    if not_run := len(registered_clauses()) - len(rulings):
        told.append(f"{not_run} not selected")
    yield f"{cell}: {len(registered_clauses())} clauses: {', '.join(told)}"
    if found[Verdict.FAILED]:
        yield f"    failed: {' '.join(found[Verdict.FAILED])}"
    for verdict in _ONE_BY_ONE:
        for clause_id, reason in found[verdict].items():
            yield f"    {verdict.value} {clause_id}: {reason}"
    grouped: dict[str, list[str]] = defaultdict(list)
    for clause_id, reason in found[Verdict.NOT_APPLICABLE].items():
        grouped[reason].append(clause_id)
    for reason, ids in sorted(grouped.items()):
        yield f"    not applicable ({reason}): {' '.join(ids)}"
