from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from database_servers import BackendAddress
from examples.audit.environments import expected_reports, install
from examples.audit.running_audit import RunningAudit

AuditOf = Callable[..., RunningAudit]


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_hands_over_and_goes_on_at_once_when_run_again(
    number: int, exit_code: int, any_database: BackendAddress, tmp_path: Path, audit_of: AuditOf
) -> None:
    site = tmp_path / "site-packages"
    for name in "abcdef":
        install(site, name, "1.0", {f"{name}/{n}.py": b"x = 1\n" for n in range(50)})
    audit = audit_of(any_database, site, "--files-per-step", "1")
    audit.start()
    audit.until(lambda: len(audit.hashed()) >= 50)
    audit.send(number)
    asked = time.monotonic()
    assert audit.ended()[0] == exit_code, audit.output
    assert time.monotonic() - asked < 5
    assert "Run the same command again" in audit.output
    assert audit.runs().get("running") is None, "what was under way was not handed over"
    assert set(audit.hashed()) == audit.saved()

    audit.run()
    assert audit.reports() == expected_reports(site)
    assert len(audit.hashed()) == len(set(audit.hashed())), "a group was hashed again after a drain"
    assert "went on after a kill" not in audit.output
