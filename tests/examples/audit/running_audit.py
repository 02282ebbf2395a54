"""The audit as people run it: a program over a database, killed and run again; and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit.journal import JOURNAL
from database_servers import BackendAddress
from durable_peewee import define_models
from examples.audit.environments import Expected
from peewee_databases import open_peewee

__all__ = ["PROGRAMS", "Group", "RunningAudit"]

#: A distribution, its version, and the number of a group of its files.
Group = tuple[str, str, int]

PATIENCE_S = 60.0


def _for_peewee(address: BackendAddress) -> str:
    return address.url + ("?prefer_psycopg3=true" if address.backend == "postgres3" else "")


def _for_tortoise(address: BackendAddress) -> str:
    return address.url.replace("postgresql", "psycopg") if address.backend == "postgres3" else address.url


_ADDRESSES = {"durable-audit": _for_peewee, "durable-audit-tortoise": _for_tortoise}
#: The programs that can do an audit.
PROGRAMS = tuple(_ADDRESSES)


class RunningAudit:
    """One audit of *site* over one database; the program may be started as often as the test likes."""

    def __init__(
        self,
        program: str,
        address: BackendAddress,
        site: Path,
        folder: Path,
        *options: str,
        compiled: Path | None = None,
    ) -> None:
        self._address = address
        self._program = program
        self._options = ("--path", str(site), *options)
        self._folder = folder
        self._environment = {**os.environ, "COLUMNS": "200", JOURNAL: str(folder / "journal")}
        if compiled is not None:
            # So that a program which starts ten times compiles its imports once, wherever the tests run.
            self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
            self._environment["PYTHONPYCACHEPREFIX"] = str(compiled)
        self._journal = folder / "journal"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._database = open_peewee(address)
        self.durable_tables = define_models(self._database)

    # --- the program --------------------------------------------------------------------------------------------

    def start(self, *words: str, program: str | None = None, **env: str) -> None:
        """Start *program*, or the audit's own; or *words* in place of its name, for they stand for it."""
        program = program or self._program
        found = shutil.which(program, path=str(Path(sys.executable).parent))
        assert found is not None
        command = (*(words or [found]), "--database", _ADDRESSES[program](self._address), *self._options)
        environment = {**self._environment, **env}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def ended(self) -> tuple[int, str]:
        """Wait for the program's end; return its exit code and what it printed."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S), self.output

    def run(self, program: str | None = None) -> str:
        """Run *program*, or the audit's own, to its good end; return what it printed."""
        self.start(program=program)
        code, output = self.ended()
        assert code == 0, output
        return output

    def send(self, number: int) -> None:
        """Send the program a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the program, if it still runs, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def output(self) -> str:
        """Everything that it printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def until(self, probe: Callable[[], bool]) -> None:
        """Wait while the program runs until *probe* says yes; fail if it ends or the patience does."""
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_S
        while not probe():
            assert self._process.poll() is None, f"the program ended before its time:\n{self.output}"
            assert time.monotonic() < deadline, f"it did not come that far:\n{self.output}"
            time.sleep(0.002)

    # --- what it leaves behind ----------------------------------------------------------------------------------

    def hashed(self) -> list[Group]:
        """Every group that was hashed, as often as it was."""
        lines = (line.split()[1:] for line in self.journal() if line.startswith("hashed "))
        return [(name, version, int(number)) for name, version, number in lines]

    def journal(self) -> list[str]:
        """What the programs noted, whatever became of their transactions."""
        return self._journal.read_text(encoding="utf-8").splitlines() if self._journal.exists() else []

    def saved(self) -> set[Group]:
        """Every group whose checkpoint is in the database."""
        with self._database.connection_context():
            checkpoint = self.durable_tables.DurableStepCheckpoint
            if checkpoint._meta.table_name not in self._database.get_tables():
                return set()
            rows = list(checkpoint.select(checkpoint.input).where(checkpoint.name == "hash_files"))
        return {(row.input[0]["name"], row.input[0]["version"], row.input[1]) for row in rows}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query of the database gives."""
        with self._database.connection_context():
            return list(self._database.execute_sql(sql).fetchall())

    def reports(self) -> dict[str, Expected]:
        """The reports and findings in the tables; none twice, and none that belongs to nothing."""
        reports = self.rows("SELECT id, name, files, bytes FROM audit_report")
        findings: dict[int, set[tuple[str, str]]] = {report_id: set() for report_id, *_ in reports}
        for report_id, path, problem in self.rows("SELECT report_id, path, problem FROM audit_finding"):
            assert report_id in findings, f"a finding without a report: {path}"
            assert (path, problem) not in findings[report_id], f"a finding twice: {path}"
            findings[report_id].add((path, problem))
        names = [name for _, name, *_ in reports]
        assert len(set(names)) == len(names), f"a distribution with two reports: {sorted(names)}"
        return {name: Expected(files, size, frozenset(findings[key])) for key, name, files, size in reports}

    def hold_leases(self, seconds: float) -> None:
        """Move the end of every lease, as if it had been renewed in this moment for so long."""
        run = self.durable_tables.DurableWorkflowRun
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        with self._database.connection_context():
            assert run.update(locked_until=until).where(run.status == "running").execute()

    def runs(self) -> dict[str, int]:
        """How many runs there are by status."""
        found = self.rows("SELECT status, count(*) FROM durable_workflow_runs GROUP BY status")
        return {str(status): int(count) for status, count in found}

    def close(self) -> None:
        """Kill what still runs, and leave no connection behind."""
        self.kill()
        if not self._database.is_closed():
            self._database.close()
