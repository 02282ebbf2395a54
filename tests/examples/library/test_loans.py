"""Loans outlive kill -9 at the worst moments: no copy is lent twice, no reader gets a letter twice."""

from __future__ import annotations

import random
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import FreshDatabase
from examples.library.running_library import RunningLibrary
from pony_databases import PONY_BACKENDS
from workspace import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(params=PONY_BACKENDS)
def library(request: pytest.FixtureRequest, fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[RunningLibrary]:
    """The library on each database in turn."""
    with RunningLibrary.opened(fresh_database(request.param), tmp_path) as running:
        yield running


def test_a_book_comes_back_and_is_lent_again(library: RunningLibrary) -> None:
    library.start_worker()
    first = library.lend()
    library.until_loan(first, ("lent", 0, "suspended"))
    assert library.on_shelf() == 2
    assert library.desk("return", str(first), "dog-eared") == f"loan {first} comes back\n"
    library.until_loan(first, ("returned", 0, "completed"))
    assert library.on_shelf() == 3
    assert "is over" in library.desk("return", str(first), code=1)
    assert "no book" in library.desk("lend", "Ulysses", "Stephen", code=1)

    loans = [library.lend() for _ in range(4)]
    for loan in loans[:3]:
        library.until_loan(loan, ("lent", 0, "suspended"))
    library.until_loan(loans[3], ("not available", 0, "completed"))
    assert library.on_shelf() == 0
    listed = library.desk("list")
    assert f"{first}\tMoby-Dick\tIshmael\treturned\t0\tcompleted\n" in listed


def test_reminders_come_one_after_the_other_and_then_the_book_is_given_up(library: RunningLibrary) -> None:
    library.settings |= {"LIBRARY_LOAN_PERIOD": "300 ms", "LIBRARY_REMINDER_PERIOD": "300 ms"}
    library.start_worker()
    loan = library.lend()
    library.until_loan(loan, ("lost", 3, "completed"))
    assert library.letters() == [(f"loan-{loan}-reminder-{number}", 1) for number in (1, 2, 3)]
    assert library.on_shelf() == 2


def test_killed_while_a_loan_lasts_the_next_worker_takes_the_book_back(library: RunningLibrary) -> None:
    worker = library.start_worker()
    loan = library.lend()
    library.until_loan(loan, ("lent", 0, "suspended"))
    worker.kill()
    library.desk("return", str(loan))

    library.start_worker()

    library.until_loan(loan, ("returned", 0, "completed"))
    assert library.on_shelf() == 3


def test_killed_inside_the_transaction_that_hands_out_one_copy_is_taken(library: RunningLibrary) -> None:
    worker = library.start_stalled("transaction")
    loan = library.lend()
    worker.printed("inside the transaction")
    worker.kill()
    assert library.loan(loan) == ("asked for", 0, "running")
    assert library.on_shelf() == 3

    library.start_worker()

    library.until_loan(loan, ("lent", 0, "suspended"))
    assert library.on_shelf() == 2


def test_killed_between_the_letter_and_its_checkpoint_the_reader_gets_one_letter(library: RunningLibrary) -> None:
    library.settings |= {"LIBRARY_LOAN_PERIOD": "100 ms", "LIBRARY_REMINDER_PERIOD": "1 day"}
    worker = library.start_stalled("letter")
    loan = library.lend()
    worker.printed("the letter is out")
    worker.kill()
    assert library.letters() == [(f"loan-{loan}-reminder-1", 1)]

    library.start_worker()

    library.until_loan(loan, ("lent", 1, "suspended"))
    assert library.letters() == [(f"loan-{loan}-reminder-1", 1)]


def test_killed_at_random_moments_no_copy_is_lost_or_lent_twice(library: RunningLibrary) -> None:
    loans = []
    for _ in range(4):
        worker = library.start_worker()
        loans.append(library.lend())
        time.sleep(random.uniform(0, 0.4))
        worker.kill()

    library.start_worker()

    outcomes: dict[int, str] = {}
    deadline = time.monotonic() + 60
    while set(outcomes.values()) - {"lent", "not available"} or len(outcomes) < 4:
        assert time.monotonic() < deadline, outcomes
        outcomes = {loan: library.loan(loan)[0] for loan in loans}
        time.sleep(0.05)
    assert sorted(outcomes.values()) == ["lent", "lent", "lent", "not available"]
    assert library.on_shelf() == 0


@pytest.mark.parametrize("library", ["sqlite"], indirect=True)
def test_the_readmes_commands_answer_what_it_says(library: RunningLibrary) -> None:
    text = (ROOT / "examples/pony_library/README.md").read_text(encoding="utf-8")
    assert "uv run durable worker pony_library.flows:durable" in text
    library.start_worker().printed("serving")
    dialogue = re.findall(r"^\$ uv run python -m pony_library\.desk (.+)\n((?:(?!\$|```).*\n)*)", text, re.MULTILINE)
    assert len(dialogue) == 5
    for words, answer in dialogue:
        if words == "list":
            status = "lent" if "lent" in answer else "returned"
            library.until_loan(1, (status, 0, "suspended" if status == "lent" else "completed"))
        assert library.desk(*shlex.split(words)) == answer
