"""Each dist, built and installed as a user has it: outside the workspace, from its wheel alone."""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from workspace import DISTS, Dist, run, uv

pytestmark = pytest.mark.xdist_group("house")

_DISTS = pytest.mark.parametrize("dist", DISTS, ids=lambda dist: dist.name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of every dist, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    for dist in DISTS:
        # The build backend is one of our own development packages, so a build downloads nothing.
        run(uv(), "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, dist.folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a clean virtual environment that holds every wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("user")
    constraints = folder / "constraints.txt"
    export = ("--frozen", "--no-hashes", "--no-emit-workspace", "--all-groups", "--all-packages", "--quiet")
    run(uv(), "export", *export, "--output-file", constraints)
    environment = folder / "venv"
    run(uv(), "venv", "--python", sys.executable, environment)
    wheels = [str(_wheel(built, dist)) + ("[cli]" if dist.name == "durable-core" else "") for dist in DISTS]
    run(
        *(uv(), "pip", "install", "--python", environment, "--constraint", constraints),
        *wheels,
        cwd=folder,
    )
    return environment / "bin"


@_DISTS
def test_the_wheel_carries_its_types_and_its_licence(built: Path, dist: Dist) -> None:
    with zipfile.ZipFile(_wheel(built, dist)) as wheel:
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


def _wheel(built: Path, dist: Dist) -> Path:
    (wheel,) = built.glob(f"{dist.package}-*.whl")
    return wheel
