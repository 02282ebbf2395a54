"""The pytest side of the suite: its options, the cell of a test class, and the closing summary.

A *cell* is one store on one database. A cell that cannot run is never skipped silently: the closing summary names it
with the reason, and where it is required its tests fail.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable_conformance.catalogue import Level
from durable_conformance.cell import Cell
from durable_conformance.clauses import Clause
from durable_conformance.harness import Harness
from durable_conformance.naming import STORE, NoHarness, load_harness
from durable_conformance.requirement import is_required, leave_out, required_cells
from durable_conformance.summary import write_summary
from durable_conformance.verdicts import findings_of, write_findings

__all__ = [
    "durable_cell",
    "durable_harness",
    "is_required",
    "leave_out",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_terminal_summary",
    "required_cells",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ``--durable-...`` options."""
    group = parser.getgroup("durable")
    group.addoption(
        "--durable-store",
        dest="durable_store",
        metavar="MODULE:HARNESS",
        help="the harness of the store to judge, with --pyargs durable_conformance; e.g. mypkg.harness:Harness",
    )
    group.addoption(
        "--durable-profile",
        dest="durable_profile",
        default=Level.FULL.word,
        choices=[level.word for level in Level],
        help="which clauses to run: those of this level and of the levels before it (default: %(default)s)",
    )
    group.addoption(
        "--durable-require",
        dest="durable_require",
        default=os.environ.get("DURABLE_REQUIRE", ""),
        metavar="CELL,...",
        help="cells or backends that must run, or 'all': a test of an absent one fails instead of being left out "
        "(default: the environment variable DURABLE_REQUIRE)",
    )
    # What `durable-conformance run` makes its reports of.
    group.addoption("--durable-findings", dest="durable_findings", type=Path, help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Find the harness of ``--durable-store`` before anything runs."""
    if target := config.getoption("durable_store"):
        try:
            config.stash[STORE] = load_harness(target, here=config.invocation_params.dir)
        except NoHarness as error:
            raise pytest.UsageError(f"--durable-store: {error}") from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the clauses of the profile."""
    profile = Level.of(config.getoption("durable_profile"))
    beyond = [item for item in items if (level := _level(item)) is not None and level > profile]
    if beyond:
        items[:] = [item for item in items if item not in set(beyond)]
        config.hook.pytest_deselected(items=beyond)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell per cell what ran, and list what did not run, and why."""
    findings = findings_of(terminalreporter.stats)
    write_summary(terminalreporter, findings)
    if file := terminalreporter.config.getoption("durable_findings"):
        write_findings(findings, file)


@pytest.fixture(scope="class")
def durable_harness(request: pytest.FixtureRequest) -> Harness:
    """The harness of the test class. Override it where a harness needs other fixtures."""
    harness: Harness = request.cls.harness
    return harness


@pytest.fixture(scope="class")
def durable_cell(durable_harness: Harness) -> Iterator[Cell]:
    """The cell that the clauses of the test class run on."""
    cell = Cell(durable_harness)
    yield cell
    cell.close()


def _level(item: pytest.Item) -> Level | None:
    made = getattr(getattr(item, "function", None), "clause", None)
    return made.level if isinstance(made, Clause) else None
