"""Two programs, one on Peewee and one on Tortoise, over the same rows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import FreshDatabase
from database_servers import BackendAddress
from examples.audit.environments import expected_reports, install
from examples.audit.running_audit import PROGRAMS, RunningAudit
from workspace import run

AuditOf = Callable[..., RunningAudit]


@pytest.mark.parametrize("backend", ["sqlite", "postgres", "mariadb"])
def test_what_one_program_began_the_other_finishes(
    backend: str, program: str, fresh_database: FreshDatabase, tmp_path: Path, audit_of: AuditOf
) -> None:
    (other,) = set(PROGRAMS) - {program}
    site = tmp_path / "site-packages"
    for name in "abcdef":
        install(site, name, "1.0", {f"{name}/{n}.py": b"x = 1\n" for n in range(50)})
    (site / "a/7.py").write_bytes(b"x = 2\n")
    address: BackendAddress = fresh_database(backend)
    audit = audit_of(address, site, "--files-per-step", "1")
    audit.start()
    audit.until(lambda: len(audit.hashed()) >= 150)
    audit.kill()
    audit.hold_leases(0)
    before, saved = len(audit.hashed()), audit.saved()

    audit.run(other)

    assert saved, "the first program saved nothing"
    assert saved.isdisjoint(audit.hashed()[before:]), "a group was hashed again although its checkpoint was saved"
    assert audit.reports() == expected_reports(site)
    assert audit.run(program) == audit.run(other)


def test_the_program_on_tortoise_has_no_use_for_peewee() -> None:
    run(sys.executable, "-c", "import sys, audit_tortoise.cli; sys.exit('peewee' in sys.modules)")
