"""Each dist, built and installed as a user has it: outside the workspace, from its wheel alone."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from workspace import DISTS, ROOT, Dist, run, wheel_of

CleanEnvironment = Callable[..., Path]

pytestmark = pytest.mark.xdist_group("house")

_WITH_COMMANDS = ("durable-conformance", "durable-core")
_DISTS = pytest.mark.parametrize("dist", DISTS, ids=lambda dist: dist.name)


@pytest.fixture(scope="module")
def installed(clean_environment: CleanEnvironment) -> Path:
    """The scripts folder of an environment that holds every dist."""
    return clean_environment(*(dist.name + ("[cli]" if dist.name in _WITH_COMMANDS else "") for dist in DISTS))


@_DISTS
def test_the_wheel_carries_its_types_and_its_licence(built: Path, dist: Dist) -> None:
    with zipfile.ZipFile(wheel_of(built, dist)) as wheel:
        names = wheel.namelist()
    assert f"{dist.package}/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {dist.package}


@_DISTS
def test_the_sdist_carries_what_its_readers_need(built: Path, dist: Dist) -> None:
    (sdist,) = built.glob(f"{dist.package}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names


@_DISTS
def test_the_wheel_imports_outside_the_workspace(installed: Path, dist: Dist, tmp_path: Path) -> None:
    says_where = f"import {dist.package}; print({dist.package}.__file__)"
    place = run(installed / "python", "-I", "-W", "error", "-c", says_where, cwd=tmp_path).stdout.strip()
    assert Path(place).is_relative_to(installed.parent)


def test_the_command_line_tells_how_to_use_it(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}
    assert "worker" in run(installed / "durable", "--help", cwd=tmp_path, env=environment).stdout


def test_the_installed_suite_judges_a_store(installed: Path, tmp_path: Path) -> None:
    readme = (ROOT / "conformance" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(readme.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    command = (installed / "durable-conformance", "run", "mine:MyHarness", "-k", "RUN-0")
    assert "| all | " in run(*command, cwd=tmp_path).stdout
