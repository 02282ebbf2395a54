"""The library's desk, as a command: it only writes rows, and the worker lives through the loans."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pony.orm import db_session, flush, select

from pony_library.flows import durable, lend
from pony_library.models import Book, Loan, durable_tables, set_up

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pony_library.desk", description="A library's desk.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("set-up", help="put something on the shelf")
    lending = commands.add_parser("lend", help="lend a book to a reader")
    lending.add_argument("title")
    lending.add_argument("reader")
    returning = commands.add_parser("return", help="take a book back")
    returning.add_argument("loan", type=int)
    returning.add_argument("condition", nargs="?", default="fine")
    commands.add_parser("list", help="list the loans, and how far each is")
    given = parser.parse_args(arguments)
    if given.command == "set-up":
        set_up()
    elif given.command == "lend":
        return _lend(given.title, given.reader)
    elif given.command == "return":
        return _return(given.loan, given.condition)
    else:
        _list()
    return 0


def _lend(title: str, reader: str) -> int:
    with db_session:  # the loan and its run: both or neither
        book = Book.get(title=title)
        if book is None:
            return _refused(f"there is no book {title!r}")
        loan = Loan(book=book, reader=reader)
        flush()  # which gives it its number
        durable.start(lend, loan.id, id=f"loan:{loan.id}")
    print(f"loan {loan.id}")
    return 0


def _return(number: int, condition: str) -> int:
    with db_session:
        if not Loan.exists(id=number):
            return _refused(f"there is no loan {number}")
        if durable.get_run(f"loan:{number}").is_terminal:
            return _refused(f"loan {number} is over")
        durable.signal(f"return:{number}", condition)
    print(f"loan {number} comes back")
    return 0


@db_session
def _list() -> None:
    runs = durable_tables.DurableWorkflowRun
    for loan, run in select((loan, run) for loan in Loan for run in runs if run.id == f"loan:{loan.id}"):
        print(f"{loan.id}\t{loan.book.title}\t{loan.reader}\t{loan.status}\t{loan.reminders}\t{run.status}")


def _refused(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
