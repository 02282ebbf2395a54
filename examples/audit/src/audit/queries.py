"""What the program asks the database: the application's rows, joined with the durable ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from peewee import JOIN

from audit.models import DURABLE, AuditFinding, AuditReport
from audit.standing import Standing, standing_of
from audit.table import AuditedRun, Fault, Report, Result

__all__ = ["leases_held", "result", "standing"]

Run: Final = DURABLE.DurableWorkflowRun


def leases_held(run_ids: Collection[str]) -> set[str]:
    """Who holds these runs now. Asked before our worker starts, that is a program which was killed."""
    held: list[Any] = list(Run.select(Run.locked_by).where(Run.id.in_(run_ids), Run.locked_by.is_null(False)).tuples())
    return {owner for (owner,) in held}


def standing(run_ids: Collection[str], gone: Collection[str]) -> Standing:
    """Count the runs; *gone* are the owners of leases that nobody renews any more."""
    rows: list[Any] = list(Run.select(Run.status, Run.locked_by).where(Run.id.in_(run_ids)).tuples())
    return standing_of(rows, gone)


def result(run_ids: Collection[str]) -> Result:
    """What came of these runs."""
    return Result(runs=_runs(run_ids), faults=_faults(run_ids))


def _runs(run_ids: Collection[str]) -> list[AuditedRun]:
    reported = (AuditReport.name, AuditReport.version, AuditReport.files, AuditReport.bytes)
    query = (
        Run.select(Run.id, Run.status, Run.error, Run.recovery_attempts, *reported)
        .join(AuditReport, JOIN.LEFT_OUTER, on=(AuditReport.run_id == Run.id))
        .where(Run.id.in_(run_ids))
        .order_by(Run.id)
    )
    rows: list[Any] = list(query.tuples())
    return [_run(*row) for row in rows]


def _run(run_id: str, status: str, error: Any, recovery_attempts: int | None, *report: Any) -> AuditedRun:
    name, version, files, size = report
    reported = None if name is None else Report(name, version, files, size)
    return AuditedRun(run_id, status, error, recovery_attempts, reported)


def _faults(run_ids: Collection[str]) -> list[Fault]:
    found = (AuditReport.run_id, AuditReport.name, AuditFinding.path, AuditFinding.problem, AuditFinding.detail)
    query = (
        AuditFinding.select(*found)
        .join(AuditReport)
        .where(AuditReport.run_id.in_(run_ids))
        .order_by(AuditReport.run_id, AuditFinding.path)
    )
    rows: list[Any] = list(query.tuples())
    return [Fault(*row) for row in rows]
