"""The quickstart of durable-tortoise, word by word, where nothing is installed but what its README installs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workspace import ROOT, run

pytestmark = [pytest.mark.xdist_group("house"), pytest.mark.slow]

CleanEnvironment = Callable[..., Path]

README = (ROOT / "packages/durable-tortoise/README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE_S = 60


def test_the_readme_s_quickstart_runs_word_by_word(clean_environment: CleanEnvironment, tmp_path: Path) -> None:
    (section,) = re.findall(r"^## Quickstart$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    commands, (program,) = (
        [fence["text"] for fence in FENCE.finditer(section) if fence["language"] == language]
        for language in ("console", "python")
    )
    install, *rest, worker = [shlex.split(line) for text in commands for line in text.splitlines()]
    assert install[:2] == ["pip", "install"]
    assert [words[0] for words in rest] == ["aerich", "aerich", "python"]
    assert worker[:2] == ["durable", "worker"]

    scripts = clean_environment(*install[2:])
    (tmp_path / "quickstart.py").write_text(program, encoding="utf-8")
    environment = {**os.environ, "VIRTUAL_ENV": str(scripts.parent), "PYTHONUNBUFFERED": "1"}
    printed = [run(scripts / words[0], *words[1:], cwd=tmp_path, env=environment).stdout for words in rest]
    assert printed[-1].endswith("receipt-1: 3 boxes shipped\n")

    served = subprocess.Popen(
        [scripts / worker[0], *worker[1:]], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert served.stderr is not None
    assert "serving quickstart:durable" in served.stderr.readline()
    served.terminate()
    assert "drained" in served.communicate(timeout=DEADLINE_S)[1]
    assert served.returncode == 0
