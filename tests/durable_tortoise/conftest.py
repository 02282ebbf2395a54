from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends import FreshDatabase
from durable_conformance.plugin import leave_out
from tortoise_cells import SERVED, Cell, CellOn
from tortoise_databases import BACKEND_OF, DRIVERS, why_no_driver


@pytest.fixture
def cell_on(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> Iterator[CellOn]:
    """Make a cell on a driver by name."""
    made: list[Cell] = []

    def create(driver: str) -> Cell:
        reason = why_no_driver(driver)
        if reason is not None:
            leave_out(request, f"tortoise-{driver}", reason)
        made.append(Cell(fresh_database(BACKEND_OF[driver]), driver))
        return made[-1]

    yield create
    for one in made:
        one.close()


@pytest.fixture(params=DRIVERS)
def cell(request: pytest.FixtureRequest, cell_on: CellOn) -> Cell:
    """A cell on each driver in turn."""
    return cell_on(request.param)


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest, cell_on: CellOn) -> Cell:
    """A cell on each driver of a server in turn."""
    return cell_on(request.param)
