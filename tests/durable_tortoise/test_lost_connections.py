"""Connections that break: the call that met it says so, the next one works again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from tortoise.transactions import in_transaction

from durable_conformance.samples import a_checkpoint, a_run
from durable_core.errors import StoreUnavailable
from durable_core.store import StoreTransaction
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell


def _impatient(served: Cell) -> dict[str, int]:
    return {"timeout": 1} if served.driver == "psycopg" else {}


def test_after_a_restart_every_call_works_again(served: Cell) -> None:
    """Those that can be repeated do not even tell. A driver may notice the broken connections only one by one."""

    async def test() -> None:
        async with served.store(minsize=2, maxsize=2) as store:
            await asyncio.gather(*(store.get_run("r1") for _ in range(2)))
            assert served.end_connections() >= 2
            assert await store.get_run("r1") is None
            assert served.end_connections()
            for _ in range(2):
                with suppress(StoreUnavailable):
                    await store.create_run(a_run("r1"))
                    break
            else:
                await store.create_run(a_run("r1"))
        assert served.runs() == ["r1"]

    served.run(test)


def test_a_connection_that_breaks_in_a_transaction_undoes_it(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                served.end_connections()
                await tx.save_checkpoint(a_checkpoint(2))

            with pytest.raises(StoreUnavailable) as caught:
                await store.transaction(work)
            assert caught.value.__cause__ is not None
            assert not store.session.in_transaction()
            assert await store.list_checkpoints("r1") == []
            await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint(3)))
            assert len(await store.list_checkpoints("r1")) == 1

    served.run(test)


def test_a_connection_that_breaks_under_the_hosts_own_statement_reads_the_same(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                served.end_connections()
                await served.note(1)

            with pytest.raises(StoreUnavailable):
                await store.transaction(work)
            assert await store.list_checkpoints("r1") == []

    served.run(test)


def test_a_connection_that_breaks_before_the_commit_says_so(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                served.end_connections()

            with pytest.raises(StoreUnavailable):
                await store.transaction(work)
            assert await store.list_checkpoints("r1") == []

    served.run(test)


def test_a_broken_connection_is_no_commit_even_if_nobody_lets_the_error_through(served: Cell) -> None:
    async def test() -> None:
        async with served.store() as store:

            async def work(tx: StoreTransaction) -> None:
                await tx.save_checkpoint(a_checkpoint())
                served.end_connections()
                with suppress(Exception):
                    await served.note(1)

            with pytest.raises(StoreUnavailable):
                await store.transaction(work)
            assert await store.list_checkpoints("r1") == []

    served.run(test)


def test_a_connection_that_breaks_in_the_hosts_transaction_is_the_hosts_to_end(served: Cell) -> None:
    async def test() -> None:
        async with served.store(**served.one_connection) as store:
            with suppress(Exception):  # Tortoise's, or none: psycopg commits a broken connection without a word
                async with in_transaction(served.driver):
                    await store.create_run(a_run("r1"))
                    served.end_connections()
                    with pytest.raises(StoreUnavailable):
                        await store.create_run(a_run("r2"))
                    with pytest.raises(StoreUnavailable):
                        await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))
            assert served.runs() == []
            assert await store.create_run(a_run("r3"))

    served.run(test)


def test_a_database_that_is_not_there_is_unavailable(served: Cell) -> None:
    async def test() -> None:
        async with served.application(database="durable_nowhere", **_impatient(served)):
            store = TortoiseStateStore(served.driver)
            for _attempt in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.create_run(a_run())

    served.run(test)


def test_a_server_that_is_not_there_is_unavailable(served: Cell) -> None:
    async def test() -> None:
        async with served.application(port=1, **_impatient(served)):
            store = TortoiseStateStore(served.driver)
            with pytest.raises(StoreUnavailable):
                await store.create_run(a_run())
            with pytest.raises(StoreUnavailable):
                await store.transaction(lambda tx: tx.save_checkpoint(a_checkpoint()))

    served.run(test)
