"""What the documents say, held against what there is."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from workspace import DISTS, ROOT, Dist, run, tracked_files

_FENCE = re.compile(r"^(?P<before>[^\n]*)\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_RUNS = "<!-- runs -->"
_HEAD = re.compile(r"^## (?P<version>\d\S*)", re.MULTILINE)
_READMES = [file for file in tracked_files() if file.suffix == ".md"]


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", _READMES, ids=_name)
def test_every_python_fence_compiles(file: Path) -> None:
    for fence in _FENCE.finditer(file.read_text(encoding="utf-8")):
        line = file.read_text(encoding="utf-8")[: fence.start("code")].count("\n")
        source = "\n" * line + fence["code"]
        compile(source, str(file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@pytest.mark.parametrize("file", _READMES, ids=_name)
def test_every_fence_that_promises_to_run_runs(file: Path, tmp_path: Path) -> None:
    """A fence runs, in an empty folder, when the line above it is the comment ``<!-- runs -->``."""
    for number, fence in enumerate(_FENCE.finditer(file.read_text(encoding="utf-8"))):
        if fence["before"].strip() == _RUNS:
            program = tmp_path / str(number) / "program.py"
            program.parent.mkdir()
            program.write_text(fence["code"], encoding="utf-8")
            run(sys.executable, "-W", "error", program, cwd=program.parent)


@pytest.mark.parametrize("dist", DISTS, ids=lambda dist: dist.name)
def test_the_changelog_starts_at_the_installed_version(dist: Dist) -> None:
    head = _HEAD.search((dist.folder / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert head is not None
    assert head["version"] == version(dist.name)
