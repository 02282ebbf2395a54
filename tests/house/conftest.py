from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workspace import DISTS, run, uv, wheel_of

CleanEnvironment = Callable[..., Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of every dist, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    for dist in DISTS:
        # The build backend is one of our own development packages, so a build downloads nothing.
        run(uv(), "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, dist.folder)
    return folder


@pytest.fixture(scope="session")
def clean_environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """Make a virtual environment with what `pip install` is told; return its scripts folder.

    Our own dists come from their wheels, and all that they depend on in the versions of the lock.
    """
    constraints = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    export = ("--frozen", "--no-hashes", "--no-emit-workspace", "--all-groups", "--all-packages", "--quiet")
    run(uv(), "export", *export, "--output-file", constraints)
    with constraints.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{dist.name} @ {wheel_of(built, dist).as_uri()}\n" for dist in DISTS)

    def make(*requirements: str) -> Path:
        folder = tmp_path_factory.mktemp("user")
        environment = folder / "venv"
        run(uv(), "venv", "--python", sys.executable, environment)
        install = (uv(), "pip", "install", "--python", environment, "--constraint", constraints)
        run(*install, *requirements, cwd=folder)
        return environment / "bin"

    return make
