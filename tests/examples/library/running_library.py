"""The library as people run it: its desk and its workers, each a process, on real databases."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from database_probe import Probe
from database_servers import BackendAddress
from examples.programs import Program, script

__all__ = ["RunningLibrary"]

_STALLED = Path(__file__).with_name("stalled_library.py")
_PATIENCE_S = 60.0


@dataclass(kw_only=True)
class RunningLibrary:
    """One library with three copies of Moby-Dick, and the programs that the test has started."""

    address: BackendAddress
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, address: BackendAddress, folder: Path) -> Iterator[Self]:
        """A library whose tables are made; nothing runs yet."""
        library = cls(address=address, folder=folder)
        library.settings["LIBRARY_LEASE"] = "2 s"
        try:
            library.desk("set-up")
            yield library
        finally:
            for program in library.programs:
                program.kill()
                sys.stderr.write(f"{program}\n")  # pytest shows it when the test fails

    def desk(self, *words: str, code: int = 0) -> str:
        """Run a command at the desk; return what it printed."""
        program = self._start(sys.executable, "-m", "pony_library.desk", *words)
        assert program.ended(within=_PATIENCE_S) == code, program
        return program.output

    def lend(self) -> int:
        """Lend Moby-Dick; return the number of the loan."""
        return int(self.desk("lend", "Moby-Dick", "Ishmael").removeprefix("loan "))

    def start_worker(self) -> Program:
        """A worker process like that of the README."""
        return self._start(script("durable"), "worker", "pony_library.flows:durable")

    def start_stalled(self, where: str) -> Program:
        """A worker that stops at the worst moment."""
        self.settings["LIBRARY_STALL"] = where
        return self._start(sys.executable, str(_STALLED))

    def loan(self, number: int) -> tuple[str, int, str]:
        """The loan's status, the reminders sent, and the status of its run."""
        ((status, reminders),) = self._rows(f"SELECT status, reminders FROM library_loan WHERE id = {number}")
        ((run,),) = self._rows(f"SELECT status FROM durable_workflow_runs WHERE id = 'loan:{number}'")
        return str(status), int(reminders), str(run)

    def on_shelf(self) -> int:
        """How many copies of Moby-Dick are there."""
        ((copies,),) = self._rows("SELECT on_shelf FROM library_book WHERE title = 'Moby-Dick'")
        return int(copies)

    def letters(self) -> list[tuple[str, int]]:
        """The letters that were sent, and how many times each text stands in them."""
        letters = sorted((self.folder / "letters").glob("*.txt"))
        return [(letter.stem, letter.read_text(encoding="utf-8").count("Please return")) for letter in letters]

    def until_loan(self, number: int, wanted: tuple[str, int, str]) -> None:
        """Look until the loan is as *wanted*."""
        deadline = time.monotonic() + _PATIENCE_S
        while (seen := self.loan(number)) != wanted:
            assert time.monotonic() < deadline, f"after {_PATIENCE_S} s still {seen}, not {wanted}"
            time.sleep(0.02)

    def _rows(self, sql: str) -> Any:
        with closing(Probe(self.address)) as probe:
            return probe.execute(sql)

    def _start(self, *command: str) -> Program:
        log = self.folder / f"{len(self.programs)}.log"
        environment = {**os.environ, "LIBRARY_DATABASE": self.address.url, **self.settings, "PYTHONUNBUFFERED": "1"}
        self.programs.append(Program(command, log=log, cwd=self.folder, env=environment))
        return self.programs[-1]
