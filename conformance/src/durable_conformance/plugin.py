"""The pytest side of the suite: ``--durable-require``, the cell of a test class, and the closing summary.

A *cell* is one store on one database. A cell that cannot run is never skipped silently: the closing summary names it
with the reason, and where it is required its tests fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from durable_conformance.cell import Cell
from durable_conformance.harness import Harness
from durable_conformance.requirement import is_required, leave_out, required_cells
from durable_conformance.summary import write_summary

__all__ = [
    "durable_cell",
    "durable_harness",
    "is_required",
    "leave_out",
    "pytest_addoption",
    "pytest_terminal_summary",
    "required_cells",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--durable-require``."""
    parser.getgroup("durable").addoption(
        "--durable-require",
        dest="durable_require",
        default=os.environ.get("DURABLE_REQUIRE", ""),
        metavar="CELL,...",
        help="cells or backends that must run, or 'all': a test of an absent one fails instead of being left out "
        "(default: the environment variable DURABLE_REQUIRE)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell per cell what ran, and list what did not run, and why."""
    write_summary(terminalreporter)


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
