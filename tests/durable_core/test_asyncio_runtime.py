from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeVar
from uuid import UUID

import pytest

from durable_core.asyncio_runtime import AsyncioRuntime, TaskCrew
from durable_core.runtime import Runtime

T = TypeVar("T")

_REQUEST = contextvars.ContextVar("_REQUEST", default="none")
_FOR_EVER_MS = 10**8


def _run(work: Coroutine[Any, Any, T]) -> T:
    async def in_time() -> T:
        async with asyncio.timeout(30):
            return await work

    return asyncio.run(in_time())


def _crew(size: int, around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext) -> TaskCrew:
    return AsyncioRuntime().crew(size, around)


def test_it_is_a_runtime_whose_time_and_chance_are_real() -> None:
    runtime: Runtime = AsyncioRuntime()
    before = time.time_ns() // 1_000_000
    assert before <= runtime.now_ms() <= before + 60_000
    assert UUID(runtime.new_id()) != UUID(runtime.new_id())
    assert 0 <= runtime.chance() < 1

    async def sleep() -> float:
        started = time.monotonic()
        await runtime.sleep(5)
        return time.monotonic() - started

    assert _run(sleep()) >= 0.004


def test_coroutines_are_awaited_here_and_plain_functions_run_on_a_thread() -> None:
    async def here(one: int, *, two: int) -> tuple[int, threading.Thread]:
        return one + two, threading.current_thread()

    def there(one: int, *, two: int) -> tuple[int, threading.Thread, str]:
        return one + two, threading.current_thread(), _REQUEST.get()

    async def calls() -> None:
        _REQUEST.set("of the caller")
        runtime = AsyncioRuntime()
        assert await runtime.call(here, 1, two=2) == (3, threading.current_thread())
        assert await runtime.call(functools.partial(here, 1), two=2) == (3, threading.current_thread())
        assert await runtime.call(lambda: here(1, two=2)) == (3, threading.current_thread())
        result, thread, request = await runtime.call(there, 1, two=2)
        assert (result, request) == (3, "of the caller")
        assert thread is not threading.current_thread()

    _run(calls())


def test_stop_iteration_of_a_plain_function_is_an_error_and_no_endless_wait() -> None:
    def exhausted() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="exhausted raised StopIteration"):
        _run(AsyncioRuntime().call(exhausted))


def test_every_goes_on_after_errors_and_ends_with_its_block(caplog: pytest.LogCaptureFixture) -> None:
    async def block() -> None:
        rounds: list[object] = []
        enough = asyncio.Event()

        async def action() -> None:
            rounds.append(asyncio.current_task())
            if len(rounds) == 1:
                raise LookupError("of the first round")
            if len(rounds) == 3:
                enough.set()

        async with AsyncioRuntime().every(1, action, nullcontext):
            await enough.wait()
        assert len(set(rounds)) == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _run(block())
    assert "of the first round" in caplog.text


def test_a_cancellation_that_comes_while_the_helper_ends_is_not_swallowed() -> None:
    async def block() -> None:
        ending, let_go = asyncio.Event(), asyncio.Event()

        async def action() -> None:
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                ending.set()
                await let_go.wait()

        async def inside() -> None:
            async with AsyncioRuntime().every(0, action, nullcontext):
                await begun.wait()

        begun = asyncio.Event()
        task = asyncio.create_task(inside())
        await ending.wait()  # the block is over and waits for its helper
        task.cancel()
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    _run(block())


def test_helpers_do_not_inherit_a_requests_context() -> None:
    async def block() -> None:
        runtime = AsyncioRuntime()
        _REQUEST.set("of this request")
        seen: list[str] = []
        both = asyncio.Event()

        async def look() -> None:
            seen.append(_REQUEST.get())
            if len(seen) > 1:
                both.set()

        crew = runtime.crew(1, nullcontext)
        crew.start(look)
        assert await crew.join(_FOR_EVER_MS)
        async with runtime.every(0, look, nullcontext):
            await both.wait()
        async with runtime.beside(look):
            pass
        assert set(seen) == {"none"}

    _run(block())


def test_what_runs_beside_a_block_is_waited_for_and_logs_its_error(caplog: pytest.LogCaptureFixture) -> None:
    async def block() -> None:
        begun, over = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            await begun.wait()
            over.set()
            raise LookupError("beside")

        async with AsyncioRuntime().beside(work):
            await asyncio.sleep(0)
            begun.set()
        assert over.is_set()

    _run(block())
    assert "LookupError: beside" in caplog.text


def test_a_bell_that_rang_before_is_heard_once() -> None:
    async def ring_and_wait() -> float:
        bell = AsyncioRuntime().bell()
        bell.ring()
        bell.ring()
        await bell.wait(_FOR_EVER_MS)
        started = time.monotonic()
        await bell.wait(5)
        return time.monotonic() - started

    assert _run(ring_and_wait()) >= 0.004


@pytest.mark.parametrize("on_a_thread", [False, True])
def test_a_bell_wakes_whoever_waits(on_a_thread: bool) -> None:
    async def wake() -> None:
        bell = AsyncioRuntime().bell()
        waiting = asyncio.create_task(bell.wait(_FOR_EVER_MS))
        await asyncio.sleep(0)
        if on_a_thread:
            await asyncio.to_thread(bell.ring)
        else:
            bell.ring()
        await waiting

    _run(wake())


def test_a_bell_may_ring_when_its_loop_is_gone() -> None:
    bell = AsyncioRuntime().bell()

    async def abandoned() -> None:
        waiting = asyncio.ensure_future(bell.wait(_FOR_EVER_MS))
        await asyncio.sleep(0)
        bell.ring()
        waiting.cancel()

    _run(abandoned())
    bell.ring()
    _run(_awaited(bell.wait(_FOR_EVER_MS)))


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def test_a_crew_never_works_on_more_turns_than_its_size() -> None:
    async def work() -> None:
        crew, gate = _crew(2), asyncio.Event()
        now: list[int] = [0, 0]
        assert (crew.free, crew.busy) == (2, 0)

        async def turn() -> None:
            now[0] += 1
            now[1] = max(now)
            await gate.wait()
            now[0] -= 1

        for _ in range(5):
            crew.start(turn)
        assert (crew.free, crew.busy) == (0, 5)
        assert await crew.join(1) is False
        assert now == [2, 2]
        gate.set()
        assert (await crew.join(_FOR_EVER_MS), await crew.join(0)) == (True, True)
        assert (crew.free, crew.busy, now) == (2, 0, [0, 2])

    _run(work())


@pytest.mark.parametrize("failure", [LookupError, SystemExit])
def test_a_turn_that_fails_costs_the_crew_nothing(
    failure: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> None:
        raise failure("of a turn")

    async def work() -> int:
        crew = _crew(1)
        for _ in range(3):
            crew.start(failing)
            assert await crew.join(_FOR_EVER_MS)
        return crew.free

    assert _run(work()) == 1
    assert "of a turn" in caplog.text


def test_every_turn_is_inside_what_the_crew_was_given() -> None:
    entered: list[str] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    async def turn() -> None:
        entered.append("turn")

    async def work() -> None:
        crew = _crew(1, around)
        crew.start(turn)
        crew.start(turn)
        assert await crew.join(_FOR_EVER_MS)

    _run(work())
    assert entered == ["in", "turn", "out"] * 2


def test_closing_cancels_the_turns_under_way_and_waits_for_them() -> None:
    async def work() -> None:
        crew, cleaned = _crew(2), []

        async def turn() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(True)

        for _ in range(2):
            crew.start(turn)
        assert await crew.join(1) is False
        await crew.close()
        assert (cleaned, crew.busy) == ([True, True], 0)
        await crew.close()

    _run(work())
