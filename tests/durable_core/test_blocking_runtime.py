from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any
from uuid import UUID

import pytest

from durable_core.blocking_runtime import BlockingRuntime
from durable_core.drive import run_blocking
from durable_core.errors import InvalidDefinition, SuspendedError
from durable_core.runtime import Runtime
from durable_core.thread_crew import ThreadCrew

RUNTIME = BlockingRuntime()


class Pause:
    """Something that really awaits."""

    def __await__(self) -> Any:
        yield


def _crew(size: int, around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext) -> ThreadCrew:
    return RUNTIME.crew(size, around)


def _names(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_it_is_a_runtime_whose_time_and_chance_are_real() -> None:
    runtime: Runtime = RUNTIME
    before = time.time_ns() // 1_000_000
    assert before <= runtime.now_ms() <= before + 60_000
    assert UUID(runtime.new_id()) != UUID(runtime.new_id())
    assert 0 <= runtime.chance() < 1
    started = time.monotonic()
    run_blocking(_awaitable(runtime.sleep(5)))
    assert time.monotonic() - started >= 0.005


async def _awaitable(work: Awaitable[Any]) -> Any:
    return await work


def test_user_code_runs_in_this_thread_and_its_result_is_its_own() -> None:
    def add(one: int, *, two: int) -> tuple[int, threading.Thread]:
        return one + two, threading.current_thread()

    assert run_blocking(RUNTIME.call(add, 1, two=2)) == (3, threading.current_thread())


def test_a_coroutine_function_is_refused_by_name() -> None:
    async def charge() -> None: ...

    with pytest.raises(
        InvalidDefinition, match=r"charge returned a coroutine.*make it a plain def, or use AsyncDurable"
    ):
        run_blocking(RUNTIME.call(charge))


def test_stop_iteration_of_user_code_is_an_error_like_others() -> None:
    def exhausted() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        run_blocking(RUNTIME.call(exhausted))


def test_every_goes_on_after_errors_and_ends_with_its_block(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[threading.Thread] = []
    enough = threading.Event()

    async def action() -> None:
        rounds.append(threading.current_thread())
        if len(rounds) == 1:
            raise LookupError("of the first round")
        if len(rounds) == 2:
            await Pause()
        if len(rounds) == 4:
            enough.set()

    async def block() -> None:
        async with RUNTIME.every(1, action, nullcontext):
            assert enough.wait(timeout=30)

    run_blocking(block())
    done = len(rounds)
    assert (len(set(rounds)), rounds[0].is_alive(), rounds[0].daemon) == (1, False, True)
    assert rounds[0] is not threading.current_thread()
    assert "of the first round" in caplog.text
    assert "awaited for real" in caplog.text
    assert len(rounds) == done


@pytest.mark.parametrize("ending", ["error", "suspension"])
def test_every_ends_however_its_block_ends(ending: str) -> None:
    async def action() -> None: ...

    async def block() -> None:
        async with RUNTIME.every(1, action, nullcontext):
            if ending == "error":
                raise LookupError
            await Pause()

    with pytest.raises(LookupError if ending == "error" else SuspendedError):
        run_blocking(block())
    assert _names("durable-every") == []


def test_what_runs_beside_a_block_is_waited_for_and_logs_its_error(caplog: pytest.LogCaptureFixture) -> None:
    begun, over = threading.Event(), threading.Event()

    async def work() -> None:
        assert begun.wait(timeout=30)
        over.set()
        raise LookupError("beside")

    async def block() -> None:
        async with RUNTIME.beside(work):
            assert not over.is_set()
            begun.set()

    run_blocking(block())
    assert over.is_set()
    assert "LookupError: beside" in caplog.text


def test_a_bell_that_rang_before_is_heard_once() -> None:
    bell = RUNTIME.bell()
    bell.ring()
    bell.ring()
    run_blocking(bell.wait(10**9))
    started = time.monotonic()
    run_blocking(bell.wait(5))
    assert time.monotonic() - started >= 0.005


def test_a_bell_wakes_whoever_waits() -> None:
    bell = RUNTIME.bell()
    waiting = threading.Thread(target=lambda: run_blocking(bell.wait(10**7)), daemon=True)
    waiting.start()
    bell.ring()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


class Gate:
    """Turns that begin, tell so, and wait to be let through."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.now = 0
        self.most = 0
        self.threads: set[threading.Thread] = set()
        self._counting = threading.Lock()

    async def turn(self) -> None:
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.current_thread())
        self.begun.release()
        assert self.open.wait(timeout=30)
        with self._counting:
            self.now -= 1


def test_a_crew_never_works_on_more_turns_than_its_size() -> None:
    gate, crew = Gate(), _crew(2)
    assert (crew.free, crew.busy) == (2, 0)
    for _ in range(5):
        crew.start(gate.turn)
    assert gate.begun.acquire(timeout=30)
    assert gate.begun.acquire(timeout=30)
    assert (crew.free, crew.busy) == (0, 5)
    assert run_blocking(crew.join(1)) is False
    gate.open.set()
    assert run_blocking(crew.join(30_000)) is True
    assert (crew.free, crew.busy, gate.most, len(gate.threads)) == (2, 0, 2, 2)
    run_blocking(crew.close())
    assert not any(thread.is_alive() for thread in gate.threads)


@pytest.mark.parametrize("failure", [LookupError, SystemExit, KeyboardInterrupt, Pause])
def test_a_turn_that_fails_costs_the_crew_nothing(failure: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    async def failing() -> None:
        broken = failure()
        if isinstance(broken, BaseException):
            raise broken
        await broken

    done: list[int] = []
    crew = _crew(1)
    for number in range(3):
        crew.start(failing)

        async def fine(number: int = number) -> None:
            done.append(number)

        crew.start(fine)
        assert run_blocking(crew.join(30_000)) is True
    assert done == [0, 1, 2]
    assert crew.free == 1
    assert "its run comes back with its lease" in caplog.text
    run_blocking(crew.close())


def test_a_thread_stays_connected_for_as_long_as_turns_keep_coming() -> None:
    entered: list[str] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        entered.append("in")
        try:
            yield
        finally:
            entered.append("out")

    async def turn() -> None:
        entered.append("turn")

    crew = _crew(1, around)
    for _ in range(3):
        crew.start(turn)
        assert run_blocking(crew.join(30_000)) is True
    run_blocking(crew.close())
    assert entered == ["in", "turn", "turn", "turn", "out"]


def test_a_turn_that_outlives_its_crew_does_not_keep_the_process_alive() -> None:
    program = """
import threading
from contextlib import nullcontext
from durable_core.drive import run_blocking
from durable_core.thread_crew import ThreadCrew

begun = threading.Event()

async def stuck():
    begun.set()
    threading.Event().wait()

crew = ThreadCrew(1, nullcontext)
crew.start(stuck)
begun.wait()
assert run_blocking(crew.join(1)) is False
run_blocking(crew.close())
print("left")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "left\n"
