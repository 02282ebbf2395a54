"""The quickstarts of the READMEs, as a new user runs them: killed in the middle, and run again."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import ROOT, run

EXAMPLES = ROOT / "examples"
QUICKSTARTS = {"peewee": EXAMPLES / "quickstart.py", "tortoise": EXAMPLES / "tortoise_quickstart.py"}
_WEB = EXAMPLES / "fastapi_shop/src/fastapi_shop/web.py"
#: Which README quotes which programs: the first one whole, of the others a part.
QUOTED = {
    "README.md": (QUICKSTARTS["peewee"], EXAMPLES / "flask_shop/src/flask_shop/flows.py"),
    "packages/durable-tortoise/README.md": (QUICKSTARTS["tortoise"], _WEB, _WEB),
}
AERICH = ("init -t quickstart.TORTOISE_ORM", "init-db")
DEADLINE_S = 60
WHOLE = [
    "charging order 1",
    "packing box 1",
    "packing box 2",
    "packing box 3",
    "receipt-1: 3 boxes shipped",
]


@pytest.fixture(scope="module")
def with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Aerich has made the tables of Tortoise's quickstart."""
    folder = tmp_path_factory.mktemp("with_tables")
    shutil.copy(QUICKSTARTS["tortoise"], folder / "quickstart.py")
    for command in AERICH:
        run(Path(sys.executable).with_name("aerich"), *command.split(), cwd=folder)
    return folder


@pytest.fixture(params=QUICKSTARTS)
def folder(request: pytest.FixtureRequest, with_tables: Path, tmp_path: Path) -> Path:
    """A folder with each quickstart in turn, as its README tells to prepare it."""
    home = tmp_path / "home"
    if request.param == "tortoise":
        shutil.copytree(with_tables, home)
    else:
        home.mkdir()
        shutil.copy(QUICKSTARTS[request.param], home / "quickstart.py")
    return home


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "quickstart.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def killed_at(program: subprocess.Popen[str], line: str) -> list[str]:
    """What the program printed until it said *line* and was killed on the spot."""
    assert program.stdout is not None
    printed: list[str] = []
    for text in program.stdout:
        printed.append(text.rstrip())
        if printed[-1] == line:
            break
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=DEADLINE_S)
    return printed


@pytest.mark.parametrize("readme", QUOTED)
def test_the_readme_shows_the_programs_that_are_tested(readme: str) -> None:
    fences = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    assert len(fences) >= len(QUOTED[readme])
    for number, (fence, program) in enumerate(zip(fences, QUOTED[readme], strict=False)):
        source = program.read_text(encoding="utf-8")
        assert fence == source if number == 0 else fence in source


def test_it_runs_to_its_end_and_then_has_nothing_left_to_do(folder: Path) -> None:
    for printed in (WHOLE, WHOLE[-1:]):
        out, _ = started(folder).communicate(timeout=DEADLINE_S)
        assert out.splitlines() == printed


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 1, 3])
def test_killed_in_the_middle_of_a_step_it_repeats_that_step_alone(folder: Path, moment: int) -> None:
    printed = killed_at(started(folder), WHOLE[moment])
    assert printed == WHOLE[: moment + 1]

    out, _ = started(folder).communicate(timeout=DEADLINE_S)

    assert out.splitlines() == WHOLE[moment:]
