from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from database_servers import BackendAddress
from examples.audit.running_audit import PROGRAMS, RunningAudit

AuditOf = Callable[..., RunningAudit]


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    """Each program that can do the audit."""
    name: str = request.param
    return name


@pytest.fixture
def audit_of(program: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditOf]:
    """Make an audit of a site-packages over a database, with options of the program; killed after the test."""
    made: list[RunningAudit] = []
    compiled = tmp_path_factory.getbasetemp() / "compiled"

    def make(address: BackendAddress, site: Path, *options: str) -> RunningAudit:
        folder = tmp_path / f"audit_{len(made)}"
        folder.mkdir()
        made.append(RunningAudit(program, address, site, folder, *options, compiled=compiled))
        return made[-1]

    yield make
    for audit in made:
        audit.close()
