"""A program that a test starts, watches and kills."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Program", "script"]


def script(name: str) -> str:
    """The command *name* of our environment."""
    return str(Path(sys.executable).with_name(name))


class Program:
    """A running program; what it prints goes to *log*."""

    def __init__(self, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]) -> None:
        self._command = " ".join(command)
        self._log = log
        with log.open("w") as out:
            self._process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT)

    def __str__(self) -> str:
        return f"$ {self._command}\n{self.output}"

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def printed(self, pattern: str, *, within: float = 30.0) -> str:
        """Wait until the program prints *pattern*; return its first group, or the match."""
        deadline = time.monotonic() + within
        while (found := re.search(pattern, self.output)) is None:
            assert self._process.poll() is None, f"it ended:\n{self}"
            assert time.monotonic() < deadline, f"it did not print {pattern!r}:\n{self}"
            time.sleep(0.02)
        return found[found.re.groups and 1]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGTERM)

    def ended(self, *, within: float = 30.0) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait(within)
