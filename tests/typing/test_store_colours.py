"""What mypy says about blocking and awaiting stores, to a user who is about to mix them up."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workspace import ROOT

_IMPORTS = """
from durable_core import AsyncDurable, Durable
from durable_core.memory import InMemoryStateStore
from durable_core.offload import OffloadedStore, offload
from durable_core.store import BlockingStateStore, StateStore
memory = InMemoryStateStore()
"""


def _mypy(statement: str, folder: Path) -> tuple[int, str]:
    program = folder / "program.py"
    program.write_text(_IMPORTS + textwrap.dedent(statement), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), str(program)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_each_store_is_accepted_where_it_belongs(tmp_path: Path) -> None:
    code, said = _mypy(
        """
        blocking: BlockingStateStore = memory
        either: StateStore = memory
        awaiting: StateStore = offload(memory)
        Durable(memory)
        AsyncDurable(offload(memory))
        """,
        tmp_path,
    )
    assert code == 0, said


@pytest.mark.parametrize(
    "statement",
    ["blocking: BlockingStateStore = offload(memory)", "Durable(offload(memory))", "offload(offload(memory))"],
)
def test_a_store_that_awaits_is_rejected_where_a_blocking_one_is_asked_for(statement: str, tmp_path: Path) -> None:
    code, said = _mypy(statement, tmp_path)
    assert code == 1, said
    assert "blocking: expected" in said
    assert 'got "Literal[False]"' in said or 'got "bool"' in said


def test_a_store_that_lacks_a_method_is_no_store(tmp_path: Path) -> None:
    code, said = _mypy(
        """
        class Partial(InMemoryStateStore):
            take_signal_waiter = None  # type: ignore[assignment]

        store: StateStore = Partial()
        """,
        tmp_path,
    )
    assert code == 1, said
    assert "take_signal_waiter" in said
