"""Which cells must run, and what becomes of one that cannot."""

from __future__ import annotations

from typing import Final, NoReturn

import pytest

__all__ = ["LEFT_OUT", "is_required", "leave_out", "required_cells"]

#: The property of a test report that tells why a cell was left out.
LEFT_OUT: Final = "durable_left_out"
_EVERY_CELL: Final = "all"


def required_cells(config: pytest.Config) -> frozenset[str]:
    """Name the cells that must run; ``{"all"}`` stands for every one."""
    asked: str = config.getoption("durable_require")
    return frozenset(name for part in asked.split(",") if (name := part.strip()))


def is_required(config: pytest.Config, cell: str, *, backend: str | None = None) -> bool:
    """Tell whether *cell*, or whatever runs on *backend*, must run."""
    return not required_cells(config).isdisjoint({cell, backend, _EVERY_CELL})


def leave_out(request: pytest.FixtureRequest, cell: str, reason: str, *, backend: str | None = None) -> NoReturn:
    """End the test because *cell* cannot run: a failure where the cell is required, else a skip that is reported."""
    # Properties travel with the report, so that the controller of a distributed run sees them too.
    request.node.user_properties.append((LEFT_OUT, f"{cell}: {reason}"))
    if is_required(request.config, cell, backend=backend):
        pytest.fail(f"the cell {cell} is required (--durable-require) but cannot run: {reason}", pytrace=False)
    pytest.skip(f"{cell}: {reason}")
