"""What the program asks the database: the application's rows, and the durable ones through their models."""

from __future__ import annotations

from collections.abc import Collection

from audit.standing import Standing, standing_of
from audit.table import AuditedRun, Fault, Report, Result
from audit_tortoise.models import AuditFinding, AuditReport
from durable_tortoise.models import DurableWorkflowRun

__all__ = ["leases_held", "result", "standing"]


async def leases_held(run_ids: Collection[str]) -> set[str]:
    """Who holds these runs now. Asked before our worker starts, that is a program which was killed."""
    held = DurableWorkflowRun.filter(id__in=run_ids, locked_by__isnull=False)
    return {owner async for (owner,) in held.values_list("locked_by")}


async def standing(run_ids: Collection[str], gone: Collection[str]) -> Standing:
    """Count the runs; *gone* are the owners of leases that nobody renews any more."""
    return standing_of(await DurableWorkflowRun.filter(id__in=run_ids).values_list("status", "locked_by"), gone)


async def result(run_ids: Collection[str]) -> Result:
    """What came of these runs."""
    runs = await DurableWorkflowRun.filter(id__in=run_ids).order_by("id")
    reports = {each.run_id: each for each in await AuditReport.filter(run_id__in=run_ids)}
    findings = (
        await AuditFinding.filter(report__run_id__in=run_ids)
        .order_by("report__run_id", "path")
        .prefetch_related("report")
    )
    return Result(
        runs=[
            AuditedRun(run.id, run.status, run.error, run.recovery_attempts, _report(reports.get(run.id)))
            for run in runs
        ],
        faults=[Fault(it.report.run_id, it.report.name, it.path, it.problem, it.detail) for it in findings],
    )


def _report(row: AuditReport | None) -> Report | None:
    return None if row is None else Report(row.name, row.version, row.files, row.bytes)
