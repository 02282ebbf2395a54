from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends import FreshDatabase
from database_servers import BackendAddress
from durable_core.drive import run_blocking
from durable_peewee import PeeweeStateStore
from peewee_cells import Cell, CellOn


@pytest.fixture
def empty_cell(any_database: BackendAddress) -> Iterator[Cell]:
    """Each backend in turn, without tables."""
    cell = Cell(any_database)
    yield cell
    cell.close()


@pytest.fixture
def cell(empty_cell: Cell) -> Cell:
    """Each backend in turn, with the tables."""
    run_blocking(empty_cell.store().ensure_schema())
    return empty_cell


@pytest.fixture
def store(cell: Cell) -> PeeweeStateStore:
    """A store on each backend in turn."""
    return cell.store()


@pytest.fixture
def cell_on(fresh_database: FreshDatabase) -> Iterator[CellOn]:
    """Make a cell with the tables on a backend by name."""
    made: list[Cell] = []

    def create(name: str) -> Cell:
        made.append(Cell(fresh_database(name)))
        run_blocking(made[-1].store().ensure_schema())
        return made[-1]

    yield create
    for one in made:
        one.close()
