"""The pytest side of the suite: which cells are required, and which were left out.

A *cell* is one store on one database. A cell that cannot run is never skipped silently: the closing summary names it
with the reason, and where it is required its tests fail.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import NoReturn

import pytest

__all__ = ["is_required", "leave_out", "pytest_addoption", "pytest_terminal_summary", "required_cells"]

_LEFT_OUT = "durable_left_out"
_EVERY_CELL = "all"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--durable-require``."""
    parser.getgroup("durable").addoption(
        "--durable-require",
        dest="durable_require",
        default=os.environ.get("DURABLE_REQUIRE", ""),
        metavar="CELL,...",
        help="cells that must run, or 'all': a test of an absent one fails instead of being left out "
        "(default: the environment variable DURABLE_REQUIRE)",
    )


def required_cells(config: pytest.Config) -> frozenset[str]:
    """Name the cells that must run; ``{"all"}`` stands for every one."""
    asked: str = config.getoption("durable_require")
    return frozenset(name for part in asked.split(",") if (name := part.strip()))


def is_required(config: pytest.Config, cell: str) -> bool:
    """Tell whether *cell* must run."""
    return not required_cells(config).isdisjoint({cell, _EVERY_CELL})


def leave_out(request: pytest.FixtureRequest, cell: str, reason: str) -> NoReturn:
    """End the test because *cell* cannot run: a failure where the cell is required, else a skip that is reported."""
    if is_required(request.config, cell):
        pytest.fail(f"the cell {cell} is required (--durable-require) but cannot run: {reason}", pytrace=False)
    # Properties travel with the report, so that the controller of a distributed run sees them too.
    request.node.user_properties.append((_LEFT_OUT, f"{cell}: {reason}"))
    pytest.skip(f"{cell}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List every cell that did not run, and why."""
    left_out = Counter(
        str(why)
        for report in terminalreporter.stats.get("skipped", [])
        for name, why in report.user_properties
        if name == _LEFT_OUT
    )
    if not left_out:
        return
    terminalreporter.write_sep("-", "durable: cells left out")
    for why, tests in sorted(left_out.items()):
        terminalreporter.write_line(f"{why} ({tests} tests)")
