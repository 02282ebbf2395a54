"""``durable-audit``: hash every installed file, and survive being killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from peewee import PeeweeException
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from audit.database import migrate, open_database
from audit.environment import Target, discover
from audit.models import db
from audit.standing import Standing, leases_held, standing
from audit.stopping import StopRequest, stop_on_signals
from audit.table import print_result
from audit.workflow import LEASE_SECONDS, audit, durable
from durable_core import DurableError

__all__ = ["main"]

_LOOK_SECONDS: Final = 0.1

_console = Console()
_command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; what the database or durable refuses is one readable paragraph and exit code 1."""
    try:
        _command()
    except (DurableError, PeeweeException) as error:
        _console.print(f"[bold red]{type(error).__name__}[/bold red]: ", end="")
        _console.print(str(error), markup=False, highlight=False)
        raise SystemExit(1) from None


@_command.command()
def durable_audit(
    database: Annotated[
        str, typer.Option(help="sqlite:///..., postgresql://... or mysql://...")
    ] = "sqlite:///audit.db",
    path: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Audit this site-packages")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many distributions")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="How many distributions to audit at once")] = 4,
    files_per_step: Annotated[int, typer.Option(min=1, help="How many files to hash between two checkpoints")] = 25,
    label: Annotated[str, typer.Option(help="A new label audits everything afresh")] = "",
) -> None:
    """Compare the files of every installed distribution with its RECORD.

    Kill it at any moment and run it again: it goes on where it was. Once finished it prints the same table at once.
    """
    logging.basicConfig(level=logging.ERROR, format="%(message)s", handlers=[RichHandler(console=_console)])
    targets = discover(path, files_per_step)[:limit]
    if not targets:
        raise typer.BadParameter(f"no distribution is installed in {path}", param_hint="--path")
    try:
        opened = open_database(database)
    except (ValueError, RuntimeError) as error:
        raise typer.BadParameter(str(error), param_hint="--database") from None
    with stop_on_signals() as stop, opened.connection_context():
        migrate(opened)
        run_ids = _start(targets, label)
        if not _work(run_ids, concurrency, stop):
            _console.print("Stopped. Run the same command again and it goes on from here.")
            raise typer.Exit(stop.exit_code)
        if not print_result(_console, run_ids):
            raise typer.Exit(1)


def _start(targets: Sequence[Target], label: str) -> list[str]:
    """A run per distribution, all in one commit; those that are there already are found, and not started again."""
    durable.boot()
    with db.atomic():
        return [durable.start(audit, target, id=target.run_id(label)).id for target in targets]


def _work(run_ids: Collection[str], concurrency: int, stop: StopRequest) -> bool:
    """Serve the runs on threads of this program until they have ended or *stop* says so; tell whether they have."""
    gone = leases_held(run_ids)
    now = standing(run_ids, gone)
    if now.ended == len(run_ids):
        return True
    columns = (
        TextColumn("Auditing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=_console) as progress, durable.worker(concurrency=concurrency):
        bar = progress.add_task("", total=len(run_ids))
        while now.ended < len(run_ids) and stop.number is None:
            time.sleep(_LOOK_SECONDS)
            now = standing(run_ids, gone)
            progress.update(bar, completed=now.ended, description=_described(now))
    return now.ended == len(run_ids)


def _described(now: Standing) -> str:
    if now.abandoned and not now.under_way:
        return f"{now.abandoned} left by a killed program, free again within {LEASE_SECONDS} seconds"
    return f"{now.under_way} under way"
