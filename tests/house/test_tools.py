"""The tools of the house, run as tests so that one command covers them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workspace import run

pytestmark = pytest.mark.xdist_group("house")

_SCRIPTS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("ruff", "check", "--no-fix", "."), id="ruff-check"),
        pytest.param(("ruff", "format", "--check", "."), id="ruff-format"),
        pytest.param(("mypy",), id="mypy"),
        pytest.param(("lint-imports", "--no-cache", "--no-cache"), id="lint-imports"),
    ],
)
def test_the_tool_has_nothing_to_say(command: tuple[str, ...]) -> None:
    run(_SCRIPTS / command[0], *command[1:])
