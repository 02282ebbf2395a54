"""The result: the application's rows, joined with the durable ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

from peewee import JOIN
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from audit.models import DURABLE, AuditFinding, AuditReport

__all__ = ["print_result"]

Run: Final = DURABLE.DurableWorkflowRun

_MOST_FINDINGS_SHOWN: Final = 20
_REPORTED: Final = (AuditReport.name, AuditReport.version, AuditReport.files, AuditReport.bytes)


def print_result(console: Console, run_ids: Collection[str]) -> bool:
    """Print a line per distribution, its findings and a summary; tell whether every audit completed."""
    rows = _rows(run_ids)
    findings: list[Any] = list(
        AuditFinding.select(AuditFinding, AuditReport.run_id, AuditReport.name)
        .join(AuditReport)
        .where(AuditReport.run_id.in_(run_ids))
        .order_by(AuditReport.run_id, AuditFinding.path)
        .namedtuples()
    )
    console.print(_table(rows, Counter(finding.run_id for finding in findings)))
    for finding in findings[:_MOST_FINDINGS_SHOWN]:
        line = f"[red]{finding.problem}[/red] {finding.name}: {escape(finding.path)}: {escape(finding.detail)}"
        console.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
    if len(findings) > _MOST_FINDINGS_SHOWN:
        console.print(f"... and {len(findings) - _MOST_FINDINGS_SHOWN} more in the table audit_finding")
    unfinished = [row for row in rows if row.status != "completed"]
    for row in unfinished:
        why = (row.error or {}).get("message", "no reason was recorded")
        console.print(f"[red]{row.status}[/red] {row.id}: {escape(why)}", soft_wrap=True, highlight=False)
    console.print(_summary(rows, len(findings)), highlight=False)
    return not unfinished


def _rows(run_ids: Collection[str]) -> list[Any]:
    query = (
        Run.select(Run.id, Run.status, Run.error, Run.recovery_attempts, *_REPORTED)
        .join(AuditReport, JOIN.LEFT_OUTER, on=(AuditReport.run_id == Run.id))
        .where(Run.id.in_(run_ids))
        .order_by(Run.id)
    )
    return list(query.namedtuples())


def _table(rows: Sequence[Any], findings: Counter[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("distribution", overflow="fold")
    table.add_column("version", no_wrap=True)
    for heading in ("files", "size", "resumed", "findings"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if row.name is not None:
            found = findings[row.id]
            table.add_row(
                row.name,
                row.version,
                f"{row.files:,}",
                decimal(row.bytes),
                str(row.recovery_attempts or ""),
                f"[red]{found}[/red]" if found else "[green]0[/green]",
            )
    return table


def _summary(rows: Sequence[Any], findings: int) -> str:
    reported = [row for row in rows if row.name is not None]
    files, size = sum(row.files for row in reported), sum(row.bytes for row in reported)
    resumed = sum(bool(row.recovery_attempts) for row in rows)
    afterwards = f"; {resumed} of them went on after a kill" if resumed else ""
    return (
        f"[bold]{len(reported)} distributions, {files:,} files, {decimal(size)}: "
        f"{findings} finding{'s' * (findings != 1)}[/bold]{afterwards}"
    )
