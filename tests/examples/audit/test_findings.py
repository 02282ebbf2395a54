from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from database_servers import BackendAddress
from examples.audit.environments import expected_reports, install, real_site_packages
from examples.audit.running_audit import RunningAudit

AuditOf = Callable[..., RunningAudit]

_FILES = {f"shop/{name}.py": f"{name} = 1\n".encode() for name in ("right", "longer", "other", "gone", "folder")}


@pytest.fixture
def tampered(tmp_path: Path) -> Path:
    """One distribution as it should be, one with a fault of each kind, and one without a RECORD."""
    site = tmp_path / "site-packages"
    install(site, "Honest_Thing", "2.0", {"honest.py": b"x = 1\n"})
    install(site, "shop", "1.0", _FILES)
    (site / "shop/longer.py").write_bytes(_FILES["shop/longer.py"] + b"# and more\n")
    (site / "shop/other.py").write_bytes(_FILES["shop/other.py"].swapcase())
    (site / "shop/gone.py").unlink()
    (site / "shop/folder.py").unlink()
    (site / "shop/folder.py").mkdir()
    (install(site, "silent", "3.0", {"silent.py": b""}) / "RECORD").unlink()
    return site


def test_each_fault_is_found_once_and_nothing_else(
    any_database: BackendAddress, tampered: Path, audit_of: AuditOf
) -> None:
    audit = audit_of(any_database, tampered)
    output = audit.run()
    reports = audit.reports()
    assert {name: report.findings for name, report in reports.items()} == {
        "honest-thing": frozenset(),
        "shop": frozenset(
            {
                ("shop/longer.py", "size"),
                ("shop/other.py", "hash"),
                ("shop/gone.py", "missing"),
                ("shop/folder.py", "unreadable"),
            }
        ),
        "silent": frozenset({("RECORD", "no-record")}),
    }
    assert reports == expected_reports(tampered)
    assert "3 distributions, 8 files" in output
    assert "5 findings" in output


def test_a_finished_audit_is_not_done_again_but_under_a_new_label(
    fresh_database: Callable[[str], BackendAddress], tampered: Path, audit_of: AuditOf
) -> None:
    address = fresh_database("sqlite")
    audit = audit_of(address, tampered)
    first, hashed = audit.run(), audit.hashed()
    assert first.endswith(audit.run())
    assert audit.hashed() == hashed
    (tampered / "honest.py").write_bytes(b"x = 2\n")
    assert "5 findings" in audit.run()
    assert "6 findings" in audit_of(address, tampered, "--label", "monday").run()


def test_a_hash_in_hexadecimal_is_a_hash(
    fresh_database: Callable[[str], BackendAddress], tmp_path: Path, audit_of: AuditOf
) -> None:
    """Debian writes RECORD like that."""
    info = install(tmp_path / "site", "debian", "1", {"empty.py": b""})
    record = info / "RECORD"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    record.write_text(record.read_text().replace("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", empty))
    assert empty in record.read_text()
    assert " 0 findings" in audit_of(fresh_database("sqlite"), tmp_path / "site").run()


def test_the_real_environment_is_audited_as_it_is(
    fresh_database: Callable[[str], BackendAddress], audit_of: AuditOf
) -> None:
    audit = audit_of(fresh_database("sqlite"), real_site_packages())
    audit.run()
    assert audit.reports() == expected_reports(real_site_packages())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--database", "oracle://somewhere"), "oracle"),
        (("--database", "sqlite:////no/such/folder/audit.db"), "unable to open"),
        (("--path", "/"), "no distribution is installed"),
        (("--files-per-step", "0"), "files-per-step"),
    ],
)
def test_what_cannot_work_is_said_in_words(
    options: tuple[str, ...],
    told: str,
    fresh_database: Callable[[str], BackendAddress],
    tampered: Path,
    audit_of: AuditOf,
) -> None:
    audit = audit_of(fresh_database("sqlite"), tampered, *options)
    audit.start()
    code, output = audit.ended()
    assert code != 0
    assert told in output
    assert "Traceback" not in output
