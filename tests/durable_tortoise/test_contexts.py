"""The store finds the application's connection wherever it is called from, and says what to do where it cannot."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from tortoise import Tortoise
from tortoise.backends.base.client import Capabilities
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.context import TortoiseContext, get_current_context
from tortoise.transactions import in_transaction

from durable_conformance.samples import a_run
from durable_core.errors import ConfigurationError
from durable_tortoise import TortoiseSession, TortoiseStateStore
from tortoise_cells import Cell, CellOn
from tortoise_databases import connection_of


def _settings(cell: Cell) -> dict[str, Any]:
    return {
        "connections": {cell.driver: connection_of(cell.address, cell.driver)},
        "apps": {"models": {"models": ["tortoise_notes"], "default_connection": cell.driver}},
    }


def test_a_store_made_before_tortoise_is_initialised_finds_it_later(cell: Cell) -> None:
    """As at the top of a module, long before the lifespan."""
    store = TortoiseStateStore(cell.driver)

    async def test() -> None:
        with pytest.raises(ConfigurationError, match=r"await Tortoise\.init"):
            await store.get_run("r1")
        await Tortoise.init(_settings(cell))
        try:
            await store.ensure_schema()
            assert await store.create_run(a_run())
        finally:
            await Tortoise.close_connections()
        with pytest.raises(ConfigurationError, match=r"await Tortoise\.init"):
            await store.get_run("r1")
        await Tortoise.init(_settings(cell))
        try:
            assert await store.get_run("r1") is not None
        finally:
            await Tortoise.close_connections()

    cell.run(test)


def test_a_task_beside_the_lifespan_finds_the_connection(cell: Cell) -> None:
    """A request handler's task was not born of the task in which Tortoise was initialised."""
    store = TortoiseStateStore(cell.driver)
    outside = contextvars.copy_context()

    async def test() -> None:
        ready, done = asyncio.Event(), asyncio.Event()

        async def lifespan() -> None:
            async with cell.application():
                await store.ensure_schema()
                ready.set()
                await done.wait()

        async def request() -> None:
            assert get_current_context() is None
            assert await store.create_run(a_run())
            await store.transaction(lambda _tx: cell.note(1))  # whose models find theirs as well
            assert get_current_context() is None
            async with store.connected():
                await cell.note(2)
                async with in_transaction(cell.driver):
                    assert await store.create_run(a_run("r2"))
                    assert cell.runs() == ["r1"]

        loop = asyncio.get_running_loop()
        living = loop.create_task(lifespan(), context=outside.copy())
        await ready.wait()
        try:
            await loop.create_task(request(), context=outside.copy())
        finally:
            done.set()
            await living
        assert (cell.runs(), cell.notes()) == (["r1", "r2"], ["note 1", "note 2"])

    cell.run(test)


def test_many_tasks_without_a_context_are_in_ours_at_once(cell: Cell) -> None:
    outside = contextvars.copy_context()

    async def test() -> None:
        async with cell.store() as store:

            async def request(number: int) -> None:
                async with store.connected():
                    await asyncio.gather(store.get_run("r1"), store.get_run("r2"))
                    await store.transaction(lambda _tx: cell.note(number))
                assert get_current_context() is None

            loop = asyncio.get_running_loop()
            tasks = [loop.create_task(request(number), context=outside.copy()) for number in range(12)]
            await asyncio.gather(*tasks)
        assert sorted(cell.notes()) == sorted(f"note {number}" for number in range(12))

    cell.run(test)


def test_a_bare_thread_finds_the_connection_through_the_loop(cell: Cell) -> None:
    async def test() -> None:
        async with cell.store() as store:
            loop = asyncio.get_running_loop()
            made: list[bool] = []

            def thread() -> None:
                made.append(asyncio.run_coroutine_threadsafe(store.create_run(a_run()), loop).result(20))

            # A thread has no context of ours.
            other = threading.Thread(target=thread)
            other.start()
            await asyncio.to_thread(other.join)
            assert made == [True]

    cell.run(test)


def test_a_context_that_was_closed_gives_way_to_the_next_one(cell: Cell) -> None:
    store = TortoiseStateStore(cell.driver)
    outside = contextvars.copy_context()

    async def test() -> None:
        async with cell.application():
            await store.ensure_schema()
            await store.create_run(a_run())
        async with cell.application():
            assert await store.get_run("r1") is not None
            beside = asyncio.get_running_loop().create_task(store.get_run("r1"), context=outside.copy())
            assert await beside is not None

    cell.run(test)


def test_a_context_that_is_current_goes_before_the_one_that_was(cell_on: CellOn) -> None:
    """A test that initialises Tortoise anew, with the application's module-level store."""
    first, second = cell_on("sqlite"), cell_on("sqlite")

    async def test() -> None:
        async with first.store() as store:
            await store.create_run(a_run("first"))
            async with second.application():
                await store.ensure_schema()
                await store.create_run(a_run("second"))
            await store.create_run(a_run("again"))

    first.run(test)
    assert (first.runs(), second.runs()) == (["again", "first"], ["second"])


def test_an_unknown_connection_is_refused_with_the_names_that_there_are(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            with pytest.raises(ConfigurationError, match=rf"no connection named 'mian'; there are '{cell.driver}'"):
                await TortoiseStateStore("mian").get_run("r1")

    cell.run(test)


class _Elsewhere(SqliteClient):
    capabilities = Capabilities("mssql")


def test_a_database_of_another_kind_is_refused(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")

    async def test() -> None:
        async with cell.application() as context:
            context.connections.set("warehouse", _Elsewhere(cell.address.database, connection_name="warehouse"))
            context.connections.db_config["warehouse"] = {}
            with pytest.raises(ConfigurationError, match=r"database 'mssql' behind .* 'warehouse'"):
                await TortoiseStateStore("warehouse").ensure_schema()
            del context.connections.db_config["warehouse"]

    cell.run(test)


def test_a_given_context_must_be_initialised() -> None:
    async def test() -> None:
        with pytest.raises(ConfigurationError, match="not initialised"):
            await TortoiseStateStore(context=TortoiseContext()).get_run("r1")

    asyncio.run(test())


def test_the_handle_is_the_transaction_or_else_the_connection(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application() as context:
            session = TortoiseSession(cell.driver)
            assert session.raw is context.connections.get(cell.driver)
            async with in_transaction(cell.driver) as connection:
                assert session.raw is connection

    cell.run(test)
