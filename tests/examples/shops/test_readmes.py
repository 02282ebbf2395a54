"""The READMEs' commands, word by word, and what they say that they answer."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backends import FreshDatabase
from examples.programs import Program, script
from examples.shops.fastapi_program import prepare_folder
from examples.shops.running_shop import until
from workspace import ROOT

_COMMAND = re.compile(r"^uv run (.+)$", re.MULTILINE)
_DIALOGUE = re.compile(r"^\$ (curl .+)\n(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Readme:
    """A README, and what stands in for the machine that it is written for."""

    package: str
    backend: str
    web: str
    tables: tuple[str, ...]
    port: int
    prepare: Callable[[Path], None]

    @property
    def text(self) -> str:
        return (ROOT / "examples" / self.package / "README.md").read_text(encoding="utf-8")

    def run(self, folder: Path, running: ExitStack, environment: dict[str, str]) -> dict[str, Program]:
        """Run its programs in *folder*, those that make tables to their end."""
        self.prepare(folder)
        started: dict[str, Program] = {}
        for number, command in enumerate(_COMMAND.findall(self.text)):
            name, *words = shlex.split(command)
            program = Program([script(name), *words], log=folder / f"{number}.log", cwd=folder, env=environment)
            running.callback(program.kill)
            started[command] = program
            if command in self.tables:
                assert program.ended() == 0, program.output
        started["python -m payment_provider"].printed("listening")
        started[f"durable worker {self.package}.flows:durable"].printed("serving")
        return started


FLASK = Readme(
    package="flask_shop",
    backend="sqlite",
    web="flask --app flask_shop.web run",
    tables=("flask --app flask_shop.web set-up",),
    port=5000,
    prepare=lambda folder: None,
)
FASTAPI = Readme(
    package="fastapi_shop",
    backend="postgres",
    web="uvicorn fastapi_shop.web:app",
    tables=("aerich upgrade", "python -m fastapi_shop.shelf"),
    port=8000,
    prepare=prepare_folder,
)


@pytest.fixture(params=[FLASK, FASTAPI], ids=lambda readme: readme.package)
def readme(request: pytest.FixtureRequest) -> Readme:
    """Each shop's README."""
    found: Readme = request.param
    return found


@pytest.fixture
def addresses(readme: Readme, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run the README's programs; tell where those listen that it expects at its own ports."""
    provider = f"http://127.0.0.1:{_free_port()}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SHOP_")}
    environment |= {"SHOP_PAYMENTS": provider, "FLASK_RUN_PORT": "0", "UVICORN_PORT": "0", "PYTHONUNBUFFERED": "1"}
    if readme.backend != "sqlite":
        environment["SHOP_DATABASE"] = fresh_database(readme.backend).url
    with ExitStack() as running:
        started = readme.run(tmp_path, running, environment)
        web = started[readme.web].printed(r"unning on (http://127\.0\.0\.1:\d+)")
        yield {f"http://127.0.0.1:{readme.port}": web, "http://127.0.0.1:8800": provider}


def test_the_readme_is_a_dialogue_that_can_be_had(readme: Readme, addresses: dict[str, str], tmp_path: Path) -> None:
    dialogue = _DIALOGUE.findall(readme.text)
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
