"""Pytest's command line and the command with its reports; test_reporting has the third door, a subclass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from durable_conformance import registered_clauses
from durable_conformance.catalogue import Level, catalogue
from durable_conformance.naming import NoHarness, load_harness
from durable_conformance.reports import render
from durable_conformance.verdicts import Ruling, Verdict

_HARNESSES = """
from durable_conformance import Harness, StoreAbsent
from durable_core.memory import InMemoryStateStore
from durable_core.offload import offload

class Mine(Harness):
    name, isolated = "mine", False
    Store = InMemoryStateStore
    def __init__(self):
        self.store = self.Store()
    def open(self):
        return self.store
    def reset(self):
        self.store = self.Store()
    def close(self):
        pass

class Awaiting(Mine):
    name, blocking = "awaiting", False
    async def open(self):
        return offload(self.store, threads=1)
    async def reset(self):
        self.store = self.Store()

class RenewsForAll(InMemoryStateStore):
    async def renew_run_lock(self, run_id, owner, lease_until_ms):
        return True

class Broken(Mine):
    name, Store = "broken", RenewsForAll

class Honest(Broken):
    name, gaps = "honest", {"LEASE-09": "anybody <may> renew"}

class Absent(Mine):
    name = "absent"
    def open(self):
        raise StoreAbsent("nobody answers")

ready = Mine()
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs what is installed beside Python, in a folder with the harnesses above."""
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "harness.py").write_text(_HARNESSES, encoding="utf-8")

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = [str(Path(sys.executable).with_name(program)), *arguments]
        environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
        return subprocess.run(words, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)

    return run


@pytest.fixture
def suite(command: Command) -> Command:
    """Runs pytest on the suite where it is installed."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # The package lies in our checkout, whose conftest is none of a guest's.
        return command(
            "pytest", "--pyargs", "durable_conformance", "--noconftest", "-p", "no:cacheprovider", *arguments
        )

    return run


@pytest.mark.parametrize("harness", ["Mine", "Awaiting"])
def test_pytest_judges_the_store_that_it_is_told(suite: Command, harness: str) -> None:
    ended = suite(f"--durable-store=mypkg.harness:{harness}", "-k", "LEASE-0 or TX-01")
    assert ended.returncode == 0, ended.stdout
    assert " 10 passed, 0 failed, " in ended.stdout


def test_a_profile_selects_its_level_and_those_before_it(suite: Command) -> None:
    ended = suite("--durable-store=mypkg.harness:ready", "--durable-profile=queue", "--collect-only", "-q")
    asked = [one.id for one in catalogue().values() if one.level <= Level.QUEUE]
    assert sorted(line[line.index("[") + 1 : -1] for line in ended.stdout.splitlines() if "[" in line) == sorted(asked)


def test_a_store_that_is_none_is_refused_before_anything_runs(suite: Command) -> None:
    ended = suite("--durable-store=mypkg.harness:Nobody")
    assert ended.returncode == 4
    assert "ERROR: --durable-store: 'mypkg.harness:Nobody' is None, no Harness" in ended.stderr


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("test_doors", "write the harness as module:name"),
        ("test_doors:", "write the harness as module:name"),
        ("nowhere.harness:Mine", "there is no module 'nowhere' in "),
        ("json:loads", "is <function loads at .* no Harness"),
        ("json.decoder:JSONDecoder", "is <json.decoder.JSONDecoder object at .* no Harness"),
    ],
)
def test_what_names_no_harness_is_told_apart(tmp_path: Path, target: str, says: str) -> None:
    with pytest.raises(NoHarness, match=says):
        load_harness(target, here=tmp_path)


def test_pytest_asks_for_a_store(suite: Command) -> None:
    ended = suite()
    assert ended.returncode == 2
    assert "say which store to judge: --durable-store=mypkg.harness:Harness" in ended.stdout


def test_pytest_fails_for_a_required_store_that_is_absent(suite: Command) -> None:
    assert suite("--durable-store=mypkg.harness:Absent", "-k", "LEASE-01", "--durable-require=absent").returncode == 1


def test_the_markdown_of_a_store_that_keeps_all_of_a_profile(command: Command) -> None:
    ended = command("durable-conformance", "run", "mypkg.harness:Awaiting", "--profile", "txn")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("`awaiting`, profile txn, durable-conformance ")
    rows = [line.split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| level", "| core", "| txn", "| queue", "| full", "| all"]
    asked = sum(one.level <= Level.TXN for one in registered_clauses())
    assert rows[-1][1] == str(asked)
    assert rows[-1][-1] == "0 |"
    assert int(rows[-1][2]) + int(rows[-1][5]) == asked


@pytest.fixture
def honest(command: Command) -> dict[str, Any]:
    ended = command("durable-conformance", "run", "mypkg.harness:Honest", "--report", "json", "-k", "LEASE-0")
    assert ended.returncode == 1
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_a_store_that_breaks_a_promise_is_told_in_every_format(honest: dict[str, Any]) -> None:
    assert (honest["store"], honest["profile"], honest["asked"]) == ("honest", "full", len(catalogue()))
    verdicts = {one["id"]: (one["verdict"], one["reason"]) for one in honest["clauses"]}
    assert verdicts["LEASE-09"] == ("NOT IMPLEMENTED", "anybody <may> renew")
    assert verdicts["LEASE-01"] == ("passed", "")
    assert verdicts["LEASE-07"][0] == "failed"
    assert "assert True is False" in verdicts["LEASE-07"][1]
    assert sum(honest["counts"].values()) == len(verdicts) == 9
    rulings = {one: Ruling(Verdict(verdict), reason) for one, (verdict, reason) in verdicts.items()}

    markdown = render("markdown", "honest", "full", rulings)
    assert f"| all | {len(catalogue())} | 7 | 1 | 1 | 0 | {len(catalogue()) - 9} |" in markdown
    assert f"Failed:\n\n- LEASE-07: {catalogue()['LEASE-07'].promise}\n" in markdown
    assert f"NOT IMPLEMENTED:\n\n- LEASE-09: {catalogue()['LEASE-09'].promise} (anybody <may> renew)" in markdown

    junit = ET.fromstring(render("junit", "honest", "full", rulings))
    assert junit.attrib == {"name": "honest", "tests": "9", "failures": "1", "skipped": "1"}
    cases = {case.attrib["name"]: case for case in junit}
    assert cases["LEASE-01"].attrib["classname"] == "honest.core"
    assert [*cases["LEASE-01"]] == []
    assert "assert True is False" in str(cases["LEASE-07"][0].text)
    assert cases["LEASE-09"][0].attrib["message"] == "NOT IMPLEMENTED: anybody <may> renew"


def test_junit_holds_no_character_that_xml_cannot() -> None:
    junit = render("junit", "mine", "full", {"RUN-01": Ruling(Verdict.FAILED, "nul \0 half \ud800 tab \t é 🙂")})
    (case,) = ET.fromstring(junit)
    assert case[0].text == "nul ? half ? tab \t é 🙂"


def test_the_command_never_leaves_a_store_out(command: Command) -> None:
    ended = command("durable-conformance", "run", "mypkg.harness:Absent", "-k", "LEASE-01")
    assert ended.returncode == 1
    assert "absent: nobody answers (1 tests)" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--report", "pdf"), "'pdf' is no report: markdown, json, junit"),
        (("--profile", "all"), "'all' is no profile: core, txn, queue, full"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(command: Command, arguments: tuple[str, ...], says: str) -> None:
    ended = command("durable-conformance", "run", "mypkg.harness:Mine", *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stdout == ""
