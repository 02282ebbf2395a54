"""Which distributions are installed, and where."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Target", "discover", "read_record_of"]


@dataclass(frozen=True)
class Target:
    """A distribution to audit: the input of a run."""

    name: str
    version: str
    location: str
    files_per_step: int

    def run_id(self, label: str) -> str:
        """The run that audits this distribution, at this place, under *label*: the same each time the program runs."""
        place = hashlib.sha256(f"{label}\n{self.location}".encode()).hexdigest()[:8]
        return f"audit:{self.name}:{self.version}:{place}"


def discover(folder: Path | None, files_per_step: int) -> list[Target]:
    """The distributions in *folder*, or in the environment that runs this program, by name."""
    found = metadata.distributions() if folder is None else metadata.distributions(path=[str(folder)])
    return sorted(set(_targets(found, files_per_step)), key=lambda target: (target.name, target.version))


def read_record_of(target: Target) -> str | None:
    """The text of its RECORD; None if it has none, as where the operating system installed it."""
    for found in metadata.distributions(path=[target.location]):
        if target in _targets([found], target.files_per_step):
            return found.read_text("RECORD")
    return None


def _targets(found: Iterable[metadata.Distribution], files_per_step: int) -> Iterable[Target]:
    for distribution in found:
        described = distribution.metadata
        if "Name" in described and "Version" in described:  # what is left of a removed one has neither
            name = re.sub(r"[-_.]+", "-", described["Name"]).lower()
            location = str(Path(str(distribution.locate_file(""))).absolute())
            yield Target(name, described["Version"], location, files_per_step)
