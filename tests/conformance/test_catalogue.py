"""The catalogue and the tests say the same, in both directions, and any YAML parser reads what we read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
import yaml

from durable_conformance import StoreContract, registered_clauses
from durable_conformance.catalogue import Level, catalogue, is_preview
from workspace import ROOT

_TEXT = files("durable_conformance").joinpath("catalogue.yaml").read_text(encoding="utf-8")
_CASES = (ROOT / "docs" / "conformance-cases.md").read_text(encoding="utf-8")
_CASE = re.compile(
    r"^\| (?P<number>\d+) \| (?P<says>.+) \| (?P<clauses>[^|]*) \| (?P<otherwise>[^|]*) \|$", re.MULTILINE
)


def test_every_entry_has_a_test_and_every_test_an_entry() -> None:
    assert {one.id for one in registered_clauses()} == catalogue().keys()
    assert len(catalogue()) >= 250


def test_every_clause_is_in_the_contract_once() -> None:
    inherited = {name for name in dir(StoreContract) if name.startswith("test_")}
    assert inherited == {one.test for one in registered_clauses()}
    assert len(registered_clauses()) == len(inherited)


def test_a_yaml_parser_reads_what_the_suite_reads() -> None:
    read = {
        one.id: {"level": one.level.word, "since": one.since, "promise": one.promise} for one in catalogue().values()
    }
    assert yaml.safe_load(_TEXT) == read


def test_an_entry_is_a_sentence_of_a_version_that_there_was() -> None:
    for entry in catalogue().values():
        assert re.fullmatch(r"[A-Z].*[^.]\.|[a-z]+_.*[^.]\.", entry.promise), entry
        assert re.fullmatch(r"\d+\.\d+", entry.since), entry
    assert len({entry.promise for entry in catalogue().values()}) == len(catalogue())


def test_every_level_has_clauses_and_every_race_belongs_to_many_workers() -> None:
    assert {entry.level for entry in catalogue().values()} == set(Level)
    for entry in catalogue().values():
        if int(entry.id[-2:]) >= 20:
            assert entry.level >= Level.QUEUE, entry


@pytest.mark.parametrize(
    ("since", "installed", "preview"),
    [
        ("0.1", "0.1.0", False),  # the first version has nobody to surprise
        ("0.2", "0.2.0", True),
        ("0.2", "0.2.9", True),
        ("0.2", "0.3.0", False),
        ("0.9", "0.10.0", False),
        ("0.3", "0.2.4", True),  # not released yet
        ("1.0", "0.9.0", True),
        ("1.0", "1.1.0", False),
    ],
)
def test_a_clause_is_a_preview_for_one_minor_version(since: str, installed: str, preview: bool) -> None:
    assert is_preview(since, installed) is preview


def test_every_case_of_the_contract_is_a_clause_or_says_why_not() -> None:
    rows = [*_CASE.finditer(_CASES)]
    assert [int(row["number"]) for row in rows] == [*range(1, 211)]
    for row in rows:
        clauses, otherwise = row["clauses"].strip(), row["otherwise"].strip()
        assert clauses or otherwise, f"case {row['number']} is nowhere, and nothing says why"
        unknown = {one.strip() for one in clauses.split(",") if clauses} - catalogue().keys()
        assert unknown == set(), f"case {row['number']} names what is no clause"
        for named in re.findall(r"`(tests/[^`]+)`", otherwise):
            assert (ROOT / named).is_file(), f"case {row['number']} names a file that is not there: {named}"
