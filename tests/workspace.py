"""Where the workspace keeps its dists, its sources and its documents."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["DISTS", "ROOT", "Dist", "modules_of", "run", "tracked_files", "uv", "wheel_of"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Dist:
    """One published dist of the workspace."""

    name: str
    folder: Path

    @property
    def package(self) -> str:
        """The import name."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of the package."""
        return self.folder / "src" / self.package


DISTS = tuple(
    Dist(name=name, folder=ROOT / folder)
    for name, folder in (
        ("durable-core", "packages/durable-core"),
        ("durable-sql", "packages/durable-sql"),
        ("durable-peewee", "packages/durable-peewee"),
        ("durable-pony", "packages/durable-pony"),
        ("durable-tortoise", "packages/durable-tortoise"),
        ("durable-conformance", "conformance"),
    )
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that is in git or would be added to it."""
    listing = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout
    files = (ROOT / name for name in listing.split("\0") if name)
    return tuple(sorted(file for file in files if file.is_file()))


def modules_of(dist: Dist) -> Iterator[tuple[str, Path]]:
    """Every module of *dist*: its dotted name and its file."""
    for file in tracked_files():
        if file.suffix == ".py" and file.is_relative_to(dist.source):
            parts = file.relative_to(dist.folder / "src").with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def wheel_of(folder: Path, dist: Dist) -> Path:
    """The one wheel of *dist* in *folder*."""
    (wheel,) = folder.glob(f"{dist.package}-*.whl")
    return wheel


def uv() -> str:
    """The uv that runs us, or the one on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise LookupError("the tests of the workspace need uv: pip install uv")
    return found


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end; a failure raises with everything that it printed."""
    __tracebackhide__ = True  # the frame's arguments hold the whole environment
    ended = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    if ended.returncode:
        words = " ".join(map(str, command))
        raise AssertionError(f"{words}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return ended
