"""The command line, but for what an ORM does in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.logging import RichHandler

from audit.environment import Target, discover
from audit.stopping import StopRequest, stop_on_signals
from audit.table import Result, print_result
from durable_core import DurableError

__all__ = ["LOOK_SECONDS", "Asked", "command_line"]

#: How often the database is asked how far the audits are.
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Asked:
    """What the user asked for; *stop* tells when that has been enough."""

    database: str
    targets: Sequence[Target]
    label: str
    concurrency: int
    stop: StopRequest
    console: Console


def command_line(audit_all: Callable[[Asked], Result | None], *orm_errors: type[Exception]) -> Callable[[], None]:
    """A program of *audit_all*, which gives None when it was stopped.

    What durable or the database refuses (*orm_errors*) is one readable paragraph and exit code 1.
    """
    refusals: tuple[type[Exception], ...] = (DurableError, *orm_errors)
    console = Console()
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @command.command()
    def durable_audit(
        database: Annotated[
            str, typer.Option(help="sqlite:///..., postgresql://... or mysql://...")
        ] = "sqlite:///audit.db",
        path: Annotated[
            Path | None, typer.Option(exists=True, file_okay=False, help="Audit this site-packages")
        ] = None,
        limit: Annotated[int | None, typer.Option(min=1, help="Only so many distributions")] = None,
        concurrency: Annotated[int, typer.Option(min=1, help="How many distributions to audit at once")] = 4,
        files_per_step: Annotated[int, typer.Option(min=1, help="How many files to hash between two checkpoints")] = 25,
        label: Annotated[str, typer.Option(help="A new label audits everything afresh")] = "",
    ) -> None:
        """Compare the files of every installed distribution with its RECORD.

        Kill it at any moment and run it again: it goes on where it was. Once finished it prints the same table at once.
        """
        logging.basicConfig(level=logging.ERROR, format="%(message)s", handlers=[RichHandler(console=console)])
        targets = discover(path, files_per_step)[:limit]
        if not targets:
            raise typer.BadParameter(f"no distribution is installed in {path}", param_hint="--path")
        with stop_on_signals() as stop:
            result = audit_all(Asked(database, targets, label, concurrency, stop, console))
            if result is None:
                console.print("Stopped. Run the same command again and it goes on from here.")
                raise typer.Exit(stop.exit_code)
            if not print_result(console, result):
                raise typer.Exit(1)

    def main() -> None:
        try:
            command()
        except refusals as error:
            console.print(f"[bold red]{type(error).__name__}[/bold red]: ", end="")
            console.print(str(error), markup=False, highlight=False)
            raise SystemExit(1) from None

    return main
