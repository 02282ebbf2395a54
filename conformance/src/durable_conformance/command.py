"""The command line: ``durable-conformance run mypkg.harness:Harness --report markdown``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from durable_conformance.catalogue import Level
from durable_conformance.reports import FORMATS, render
from durable_conformance.verdicts import read_findings

__all__ = ["commands", "durable_conformance", "main", "run"]

_PROFILES: Final = ", ".join(level.word for level in Level)
_FORMATS: Final = ", ".join(FORMATS)

commands = typer.Typer(
    name="durable-conformance", help="Judge a durable state store.", no_args_is_help=True, add_completion=False
)


def main() -> None:
    """Run the command line."""
    commands()


@commands.callback()
def durable_conformance() -> None:
    """Judge a durable state store."""


@commands.command()
def run(
    harness: Annotated[str, typer.Argument(help="The harness of the store: module:name, e.g. mypkg.harness:Harness")],
    report: Annotated[str, typer.Option(help=f"What to print: {_FORMATS}")] = "markdown",
    profile: Annotated[str, typer.Option(help=f"How much to ask for: {_PROFILES}")] = "full",
    only: Annotated[str, typer.Option("--only", "-k", help="Clauses by pytest's -k, e.g. 'LEASE or FENCE-02'")] = "",
) -> None:
    """Run the suite on one store; the report goes to stdout, progress to stderr.

    Exit code 0: every clause that was asked is kept or a declared gap. 1: a clause fails, or the database is not there.
    4: there is no such harness, profile or report.
    """
    if report not in FORMATS:
        raise typer.BadParameter(f"{report!r} is no report: {_FORMATS}", param_hint="--report")
    if profile not in (level.word for level in Level):
        raise typer.BadParameter(f"{profile!r} is no profile: {_PROFILES}", param_hint="--profile")
    with TemporaryDirectory() as folder:
        found = Path(folder) / "findings.json"
        # In a process of its own pytest sees the clauses first, and so explains their asserts; its words go to stderr.
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *_options(harness, profile, only, found)], stdout=sys.stderr, check=False
        ).returncode
        if found.exists():
            for cell, rulings in read_findings(found).cells.items():
                typer.echo(render(report, cell, profile, rulings))
    raise typer.Exit(code)


def _options(harness: str, profile: str, only: str, findings: Path) -> tuple[str, ...]:
    return (
        # The clauses run the same way wherever the command is called.
        *("-c", os.devnull, "--rootdir", str(Path.cwd()), "--noconftest", "-p", "no:cacheprovider", "-q"),
        *("--pyargs", "durable_conformance", "--durable-require=all", f"--durable-findings={findings}"),
        *(f"--durable-store={harness}", f"--durable-profile={profile}", "-k", only),
    )
