from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from durable_core.drive import entered, run_blocking
from durable_core.errors import SuspendedError


class Ledger:
    """A transaction that tells what became of it."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    @contextmanager
    def transaction(self) -> Iterator[str]:
        try:
            yield "open"
        except BaseException:
            self.ended.append("rolled back")
            raise
        self.ended.append("committed")


async def _value() -> str:
    return "done"


async def _nested() -> str:
    return await _value()


async def failing() -> None:
    raise LookupError("as it was")


async def _pause() -> None:
    await asyncio.sleep(0)


async def _pausing_workflow() -> None:
    await _pause()


def test_a_coroutine_that_never_suspends_is_finished_where_it_is() -> None:
    assert run_blocking(_nested()) == "done"


def test_its_errors_are_the_callers() -> None:
    with pytest.raises(LookupError, match="as it was"):
        run_blocking(failing())


def test_a_manager_is_entered_and_left_without_suspending() -> None:
    ledger = Ledger()

    async def work() -> str:
        async with entered(ledger.transaction()) as opened:
            return opened

    assert run_blocking(work()) == "open"
    assert ledger.ended == ["committed"]


def test_a_manager_may_swallow_an_error() -> None:
    @contextmanager
    def forgiving() -> Iterator[None]:
        with suppress(LookupError):
            yield

    async def work() -> str:
        async with entered(forgiving()):
            await failing()
        return "forgiven"

    assert run_blocking(work()) == "forgiven"


def test_an_error_rolls_an_open_transaction_back() -> None:
    ledger = Ledger()

    async def work() -> None:
        async with entered(ledger.transaction()):
            raise LookupError

    with pytest.raises(LookupError):
        run_blocking(work())
    assert ledger.ended == ["rolled back"]


def test_a_coroutine_that_suspends_is_closed_and_its_transaction_rolled_back() -> None:
    ledger = Ledger()
    went_on = []

    async def work() -> None:
        async with entered(ledger.transaction()):
            await _pause()
            went_on.append(True)

    coroutine = work()
    with pytest.raises(SuspendedError, match="use AsyncDurable"):
        run_blocking(coroutine)
    assert (ledger.ended, went_on, inspect.getcoroutinestate(coroutine)) == (["rolled back"], [], inspect.CORO_CLOSED)


def test_the_error_names_the_coroutine_and_where_in_it_somebody_waited() -> None:
    with pytest.raises(SuspendedError, match=r"^_pausing_workflow \(in sleep|^_pausing_workflow \(in _pause"):
        run_blocking(_pausing_workflow())


def test_a_clean_up_that_awaits_as_well_does_not_hide_the_cause() -> None:
    async def stubborn() -> None:
        try:
            await _pause()
        finally:
            await _pause()

    with pytest.raises(SuspendedError, match="stubborn"):
        run_blocking(stubborn())


def test_a_clean_up_that_fails_is_told_as_the_cause_of_the_cause() -> None:
    async def clumsy() -> None:
        try:
            await _pause()
        finally:
            raise LookupError("while closing")

    with pytest.raises(SuspendedError) as caught:
        run_blocking(clumsy())
    assert isinstance(caught.value.__cause__, LookupError)
