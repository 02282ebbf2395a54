"""What becomes of a clause on a cell: noted on its test, and gathered from pytest's reports."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from durable_conformance.clauses import Clause
from durable_conformance.harness import Harness
from durable_conformance.requirement import LEFT_OUT

__all__ = [
    "Findings",
    "GapPasses",
    "Ruling",
    "Verdict",
    "end_as",
    "findings_of",
    "note_clause",
    "note_gap_passes",
    "read_findings",
    "write_findings",
]

# Properties travel with the report, so that the controller of a distributed run sees them too.
_CLAUSE: Final = "durable_clause"
_VERDICT: Final = "durable_verdict"


class Verdict(enum.Enum):
    """How a clause ended on a cell, in the words of every report."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_IMPLEMENTED = "NOT IMPLEMENTED"
    GAP_PASSES = "declared as a gap but passed"
    PREVIEW = "failed as previews"
    NOT_APPLICABLE = "not applicable"


class GapPasses(UserWarning):
    """A harness declares a gap, and the clause passes."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and why: the reason that the harness or the clause gives, or the failure as pytest shows it."""

    verdict: Verdict
    reason: str = ""


@dataclass(slots=True)
class Findings:
    """What a run of pytest found: the rulings per cell and clause, and how many tests were left out for what."""

    cells: dict[str, dict[str, Ruling]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def note_clause(item: pytest.Item, harness: Harness, clause: Clause) -> None:
    """Have reports count this test as *clause* of the cell."""
    item.user_properties.append((_CLAUSE, [harness.name, clause.id]))


def note_gap_passes(item: pytest.Item, reason: str) -> None:
    """Have reports say that the gap, declared for *reason*, may go."""
    item.user_properties.append((_VERDICT, [Verdict.GAP_PASSES.value, reason]))


def end_as(verdict: Verdict, item: pytest.Item, reason: str) -> NoReturn:
    """End the test as one that neither passed nor failed."""
    item.user_properties.append((_VERDICT, [verdict.value, reason]))
    pytest.skip(f"{verdict.value}: {reason}")


def findings_of(stats: Mapping[str, Sequence[Any]]) -> Findings:
    """What the reports say that pytest's terminal has gathered."""
    findings = Findings()
    # Failures first: a clause that passed and whose teardown failed has failed.
    for outcome in ("failed", "error", "passed", "skipped"):
        for report in stats.get(outcome, ()):
            properties = dict(getattr(report, "user_properties", ()))
            if LEFT_OUT in properties:
                why = str(properties[LEFT_OUT])
                findings.left_out[why] = findings.left_out.get(why, 0) + 1
            elif _CLAUSE in properties:
                cell, clause_id = properties[_CLAUSE]
                findings.cells.setdefault(cell, {}).setdefault(clause_id, _ruling(report, properties))
    return findings


def write_findings(findings: Findings, file: Path) -> None:
    """Hand *findings* to another process."""
    cells = {
        cell: {one: (ruling.verdict.value, ruling.reason) for one, ruling in rulings.items()}
        for cell, rulings in findings.cells.items()
    }
    file.write_text(json.dumps({"cells": cells, "left_out": findings.left_out}), encoding="utf-8")


def read_findings(file: Path) -> Findings:
    """What another process has written."""
    read = json.loads(file.read_text(encoding="utf-8"))
    cells = {
        cell: {one: Ruling(Verdict(verdict), reason) for one, (verdict, reason) in rulings.items()}
        for cell, rulings in read["cells"].items()
    }
    return Findings(cells, read["left_out"])


def _ruling(report: Any, properties: Mapping[str, Any]) -> Ruling:
    if report.failed:
        return Ruling(Verdict.FAILED, report.longreprtext)
    if said := properties.get(_VERDICT):
        return Ruling(Verdict(said[0]), said[1])
    return Ruling(Verdict.PASSED)
