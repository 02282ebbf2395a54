from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from database_servers import BackendAddress
from examples.audit.environments import expected_reports, install, mirror
from examples.audit.running_audit import Group, RunningAudit

AuditOf = Callable[..., RunningAudit]

_KILLS = 10
_IN_START_UP = 3
_CONCURRENCY = 4
_FILES_PER_STEP = 5


@pytest.mark.slow
def test_killed_ten_times_it_finishes_and_repeats_nothing_that_was_saved(
    any_database: BackendAddress, tmp_path: Path, audit_of: AuditOf
) -> None:
    seed = os.environ.get("DURABLE_TEST_SEED") or str(random.randrange(10**9))
    chance = random.Random(seed)
    site = mirror(tmp_path / "site-packages", most_files=120)
    install(site, "tampered", "1.0", {f"tampered/{n}.py": b"x = 1\n" for n in range(40)})
    for number in range(0, 40, 7):
        (site / f"tampered/{number}.py").write_bytes(b"x = 2\n")
    expected = expected_reports(site)
    groups = sum(-(-report.files // _FILES_PER_STEP) for report in expected.values())
    options = (f"--files-per-step={_FILES_PER_STEP}", f"--concurrency={_CONCURRENCY}")
    audit = audit_of(any_database, site, *options)

    print(f"DURABLE_TEST_SEED={seed} chooses the same moments")  # noqa: T201 - a failure shows it
    known: list[tuple[int, set[Group]]] = []
    for moment in _moments(chance, groups):
        audit.start()
        moment(audit)
        audit.kill()
        known.append((len(audit.hashed()), audit.saved()))
    audit.run()

    assert audit.reports() == expected
    assert audit.runs() == {"completed": len(expected)}
    hashed = audit.hashed()
    assert set(hashed) == audit.saved()
    for lines, saved in known:
        assert saved.isdisjoint(hashed[lines:]), "a group was hashed again although its checkpoint was saved"
    assert len(hashed) - len(set(hashed)) <= _KILLS * _CONCURRENCY
    assert sum(0 < lines < len(hashed) for lines, _ in known) >= _KILLS - _IN_START_UP
    assert " resumed" in audit.output
    assert "went on after a kill" in audit.output


def _moments(chance: random.Random, groups: int) -> list[Callable[[RunningAudit], None]]:
    """When to kill: while it starts, and all over its work, which is counted in groups, not in seconds."""

    def in_start_up(audit: RunningAudit) -> None:
        time.sleep(chance.uniform(0, 1))

    def at_work(after: int) -> Callable[[RunningAudit], None]:
        def moment(audit: RunningAudit) -> None:
            audit.until(lambda: len(audit.hashed()) >= after)
            time.sleep(chance.uniform(0, 0.03))

        return moment

    moments = [at_work(after) for after in sorted(chance.sample(range(1, groups * 9 // 10), _KILLS - _IN_START_UP))]
    for _ in range(_IN_START_UP):
        moments.insert(chance.randrange(len(moments)), in_start_up)
    return moments


def test_killed_between_a_report_and_its_commit_there_is_one_report(
    any_database: BackendAddress, program: str, tmp_path: Path, audit_of: AuditOf
) -> None:
    site = tmp_path / "site-packages"
    install(site, "shop", "1.0", {"shop.py": b"x = 1\n"})
    (site / "shop.py").write_bytes(b"x = 2\n")
    audit = audit_of(any_database, site)
    audit.start(sys.executable, str(Path(__file__).with_name("stalled_audit.py")), program)
    audit.until(lambda: audit.journal().count("stalled") == 1)
    audit.kill()
    assert audit.reports() == {}
    audit.run()
    assert audit.reports() == expected_reports(site)


def test_it_says_why_it_waits_for_what_a_killed_program_held(
    fresh_database: Callable[[str], BackendAddress], tmp_path: Path, audit_of: AuditOf
) -> None:
    site = tmp_path / "site-packages"
    install(site, "long", "1.0", {f"long/{n}.py": b"x = 1\n" for n in range(500)})
    audit = audit_of(fresh_database("sqlite"), site, "--files-per-step", "1")
    audit.start()
    audit.until(lambda: len(audit.hashed()) >= 100)
    audit.kill()
    audit.hold_leases(60)
    before = len(audit.hashed())
    audit.start(FORCE_COLOR="1")
    audit.until(lambda: "1 left by a killed program" in audit.output)
    assert len(audit.hashed()) == before
    audit.hold_leases(0)
    assert audit.ended()[0] == 0
