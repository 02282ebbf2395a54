"""A loan, as one plain function that lasts as long as the reader keeps the book."""

from __future__ import annotations

from durable_core import Durable, FatalError, SignalTimeout, StepFailed, WorkflowContext
from durable_pony import PonyStateStore
from pony_library import letters, settings
from pony_library.models import Book, Loan, db

__all__ = ["durable", "hand_out", "lend", "note_reminder", "remind", "settle", "take_back"]

durable = Durable(PonyStateStore(db), lease=settings.LEASE)

_MOST_REMINDERS = 3


@durable.workflow(name="lend", version="1")
def lend(ctx: WorkflowContext, loan_id: int) -> str:
    """Hand the book out, wait for its return, remind the reader, and give it up after the third reminder."""
    try:
        ctx.transaction(hand_out, loan_id)  # shelf, loan and checkpoint: one commit, exactly once
    except StepFailed as failed:
        return ctx.transaction(settle, loan_id, failed.code or "failed")
    condition = _returned(ctx, loan_id, settings.LOAN_PERIOD)
    for number in range(1, _MOST_REMINDERS + 1):
        if condition is not None:
            break
        ctx.step(remind, loan_id, number)
        ctx.transaction(note_reminder, loan_id, number)
        condition = _returned(ctx, loan_id, settings.REMINDER_PERIOD)
    if condition is None:
        return ctx.transaction(settle, loan_id, "lost")
    return ctx.transaction(take_back, loan_id, condition)


def _returned(ctx: WorkflowContext, loan_id: int, within: str) -> str | None:
    """The condition in which the book came back; None when it did not. It costs nothing to wait."""
    try:
        condition: str = ctx.wait_for_signal(f"return:{loan_id}", timeout=within)
    except SignalTimeout:
        return None
    return condition


@durable.step(max_attempts=5)
def remind(loan_id: int, number: int) -> None:
    """A letter is at least once, so it carries a key: killed before its checkpoint, it is the same letter."""
    letters.send(f"loan-{loan_id}-reminder-{number}", f"Please return what you borrowed as loan {loan_id}.\n")


def hand_out(loan_id: int) -> None:
    loan = Loan[loan_id]
    book = Book.get_for_update(id=loan.book.id)
    if not book.on_shelf:
        raise FatalError(f"every copy of {book.title!r} is lent", code="not available")
    book.on_shelf -= 1
    loan.status = "lent"


def note_reminder(loan_id: int, number: int) -> None:
    Loan[loan_id].reminders = number


def take_back(loan_id: int, condition: str) -> str:
    loan = Loan[loan_id]
    Book.get_for_update(id=loan.book.id).on_shelf += 1
    loan.condition = condition
    return settle(loan_id, "returned")


def settle(loan_id: int, status: str) -> str:
    Loan[loan_id].status = status
    return status
