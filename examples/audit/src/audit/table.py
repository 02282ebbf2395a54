"""The result on the screen, whichever ORM it was asked with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

__all__ = ["AuditedRun", "Fault", "Report", "Result", "print_result"]

_MOST_FAULTS_SHOWN: Final = 20


@dataclass(frozen=True)
class Report:
    """What a run wrote about its distribution."""

    name: str
    version: str
    files: int
    bytes: int


@dataclass(frozen=True)
class AuditedRun:
    """A run, with its *report* if it got that far."""

    id: str
    status: str
    error: Any
    recovery_attempts: int | None
    report: Report | None


@dataclass(frozen=True)
class Fault:
    """A finding of the run *run_id*."""

    run_id: str
    name: str
    path: str
    problem: str
    detail: str


@dataclass(frozen=True)
class Result:
    """The runs by id, and what they found, by run and path."""

    runs: Sequence[AuditedRun]
    faults: Sequence[Fault]


def print_result(console: Console, result: Result) -> bool:
    """Print a line per distribution, its findings and a summary; tell whether every audit completed."""
    runs, faults = result.runs, result.faults
    console.print(_table(runs, Counter(fault.run_id for fault in faults)))
    for fault in faults[:_MOST_FAULTS_SHOWN]:
        line = f"[red]{fault.problem}[/red] {fault.name}: {escape(fault.path)}: {escape(fault.detail)}"
        console.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
    if len(faults) > _MOST_FAULTS_SHOWN:
        console.print(f"... and {len(faults) - _MOST_FAULTS_SHOWN} more in the table audit_finding")
    unfinished = [run for run in runs if run.status != "completed"]
    for run in unfinished:
        why = (run.error or {}).get("message", "no reason was recorded")
        console.print(f"[red]{run.status}[/red] {run.id}: {escape(why)}", soft_wrap=True, highlight=False)
    console.print(_summary(runs, len(faults)), highlight=False)
    return not unfinished


def _table(runs: Sequence[AuditedRun], faults: Counter[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("distribution", overflow="fold")
    table.add_column("version", no_wrap=True)
    for heading in ("files", "size", "resumed", "findings"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        if run.report is not None:
            found = faults[run.id]
            table.add_row(
                run.report.name,
                run.report.version,
                f"{run.report.files:,}",
                decimal(run.report.bytes),
                str(run.recovery_attempts or ""),
                f"[red]{found}[/red]" if found else "[green]0[/green]",
            )
    return table


def _summary(runs: Sequence[AuditedRun], faults: int) -> str:
    reports = [run.report for run in runs if run.report is not None]
    files, size = sum(report.files for report in reports), sum(report.bytes for report in reports)
    resumed = sum(bool(run.recovery_attempts) for run in runs)
    afterwards = f"; {resumed} of them went on after a kill" if resumed else ""
    return (
        f"[bold]{len(reports)} distributions, {files:,} files, {decimal(size)}: "
        f"{faults} finding{'s' * (faults != 1)}[/bold]{afterwards}"
    )
