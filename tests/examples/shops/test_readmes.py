"""The README's commands, word by word, and what it says that they answer."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from examples.programs import Program
from examples.shops.running_shop import until
from workspace import ROOT

_README = (ROOT / "examples/flask_shop/README.md").read_text(encoding="utf-8")
_COMMAND = re.compile(r"^uv run (.+)$", re.MULTILINE)
_DIALOGUE = re.compile(r"^\$ (curl .+)\n(.+)$", re.MULTILINE)


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run the README's programs; tell where those listen that it expects at its own ports."""
    provider = f"http://127.0.0.1:{_free_port()}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SHOP_")}
    environment |= {"SHOP_PAYMENTS": provider, "FLASK_RUN_PORT": "0", "PYTHONUNBUFFERED": "1"}
    with ExitStack() as running:
        started: dict[str, Program] = {}
        for number, command in enumerate(_COMMAND.findall(_README)):
            words = [str(Path(sys.executable).with_name(shlex.split(command)[0])), *shlex.split(command)[1:]]
            program = Program(words, log=tmp_path / f"{number}.log", cwd=tmp_path, env=environment)
            running.callback(program.kill)
            started[command] = program
            if command.endswith("set-up"):
                assert program.ended() == 0, program.output
        web = started["flask --app flask_shop.web run"].printed(r"Running on (http://127\.0\.0\.1:\d+)")
        started["python -m payment_provider"].printed("listening")
        started["durable worker flask_shop.flows:durable"].printed("serving")
        yield {"http://127.0.0.1:5000": web, "http://127.0.0.1:8800": provider}


def test_the_readme_is_a_dialogue_that_can_be_had(addresses: dict[str, str], tmp_path: Path) -> None:
    dialogue = _DIALOGUE.findall(_README)
    assert len(dialogue) == 10

    for command, answer in dialogue:
        for written, actual in addresses.items():
            command = command.replace(written, actual)  # noqa: PLW2901
        if "-X POST" in command or "-d" in command:
            assert _said(command, tmp_path) == json.loads(answer)
        else:
            until(lambda command=command: _said(command, tmp_path), json.loads(answer))  # type: ignore[misc]


def _said(command: str, folder: Path) -> Any:
    said = subprocess.run(shlex.split(command), cwd=folder, capture_output=True, check=True, timeout=30)
    return json.loads(said.stdout)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
