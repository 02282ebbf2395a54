"""The README's quickstart, as a new user runs it: killed in the middle, and run again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import ROOT

QUICKSTART = ROOT / "examples" / "quickstart.py"
CHECKOUT = ROOT / "examples" / "flask_shop" / "src" / "flask_shop" / "flows.py"
DEADLINE_S = 60
WHOLE = [
    "charging order 1",
    "packing box 1",
    "packing box 2",
    "packing box 3",
    "receipt-1: 3 boxes shipped",
]


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, QUICKSTART], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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


def test_the_readme_shows_the_programs_that_are_tested() -> None:
    fences = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    quickstart, checkout = fences
    assert quickstart == QUICKSTART.read_text(encoding="utf-8")
    assert checkout in CHECKOUT.read_text(encoding="utf-8")


def test_it_runs_to_its_end_and_then_has_nothing_left_to_do(tmp_path: Path) -> None:
    for printed in (WHOLE, WHOLE[-1:]):
        out, _ = started(tmp_path).communicate(timeout=DEADLINE_S)
        assert out.splitlines() == printed


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 1, 3])
def test_killed_in_the_middle_of_a_step_it_repeats_that_step_alone(tmp_path: Path, moment: int) -> None:
    printed = killed_at(started(tmp_path), WHOLE[moment])
    assert printed == WHOLE[: moment + 1]

    out, _ = started(tmp_path).communicate(timeout=DEADLINE_S)

    assert out.splitlines() == WHOLE[moment:]
