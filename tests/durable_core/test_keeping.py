"""A connection is kept for many turns and many rounds, and whoever gets none works all the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from durable_core.asyncio_runtime import AsyncioRuntime
from durable_core.blocking_runtime import BlockingRuntime
from durable_core.drive import run_blocking

_PATIENCE_MS = 30_000


class Connection:
    """Opens or fails as it is told, and notes what happened inside."""

    def __init__(self, *opens: bool) -> None:
        self._opens = iter(opens)
        self.happened: list[str] = []

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        if not next(self._opens):
            raise LookupError("no connection")
        self.happened.append("opened")
        try:
            yield
        finally:
            self.happened.append("closed")

    async def work(self) -> None:
        self.happened.append("worked")

    def worked(self, times: int) -> bool:
        return self.happened.count("worked") >= times


def test_every_keeps_one_connection_for_all_its_rounds_on_a_thread() -> None:
    connection, enough = Connection(True), threading.Event()

    async def action() -> None:
        await connection.work()
        if connection.worked(3):
            enough.set()

    async def block() -> None:
        async with BlockingRuntime().every(1, action, connection.kept):
            assert enough.wait(timeout=30)

    run_blocking(block())
    assert connection.happened == ["opened", *["worked"] * connection.happened.count("worked"), "closed"]


def test_every_keeps_one_connection_for_all_its_rounds_in_a_task() -> None:
    connection = Connection(True)

    async def block() -> None:
        enough = asyncio.Event()

        async def action() -> None:
            await connection.work()
            if connection.worked(3):
                enough.set()

        async with AsyncioRuntime().every(1, action, connection.kept), asyncio.timeout(30):
            await enough.wait()

    asyncio.run(block())
    assert connection.happened == ["opened", *["worked"] * connection.happened.count("worked"), "closed"]


def test_a_turn_runs_on_a_thread_that_has_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(False, True)
    crew = BlockingRuntime().crew(1, connection.kept)
    crew.start(connection.work)
    assert run_blocking(crew.join(_PATIENCE_MS)) is True
    run_blocking(crew.close())
    assert connection.happened == ["worked"]
    assert "no connection" in caplog.text


def test_a_turn_runs_in_a_task_that_has_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(False)

    async def turn() -> None:
        crew = AsyncioRuntime().crew(1, connection.kept)
        crew.start(connection.work)
        assert await crew.join(_PATIENCE_MS) is True

    asyncio.run(turn())
    assert connection.happened == ["worked"]
    assert "no connection" in caplog.text
