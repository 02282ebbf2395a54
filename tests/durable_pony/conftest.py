from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends import FreshDatabase
from pony_cells import PonyCell
from pony_databases import PONY_BACKENDS


@pytest.fixture(params=PONY_BACKENDS)
def empty_cell(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> Iterator[PonyCell]:
    """Each backend in turn, without tables."""
    cell = PonyCell(fresh_database(request.param))
    yield cell
    cell.close()


@pytest.fixture
def cell(empty_cell: PonyCell) -> PonyCell:
    """Each backend in turn, with the tables."""
    return empty_cell.ready()


@pytest.fixture(params=[name for name in PONY_BACKENDS if name != "sqlite"])
def server_cell(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> Iterator[PonyCell]:
    """Each server in turn, with the tables."""
    cell = PonyCell(fresh_database(request.param))
    yield cell.ready()
    cell.close()


@pytest.fixture
def file_cell(fresh_database: FreshDatabase) -> Iterator[PonyCell]:
    """A SQLite file with the tables."""
    cell = PonyCell(fresh_database("sqlite"))
    yield cell.ready()
    cell.close()
