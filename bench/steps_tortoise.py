"""Steps per second through Tortoise, beside the very same statements issued by the bare driver.

    PYTHONPATH=tests uv run python bench/steps_tortoise.py [--runs 50] [--rounds 5] [sqlite asyncpg ...]

As `steps.py` measures Peewee: each round executes *runs* workflows of ten steps, one after the other in one task, and
records every statement; then it empties the tables and issues the recorded statements again on one bare connection.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiomysql  # type: ignore[import-untyped] # it ships no types
import aiosqlite
import asyncmy
import asyncpg  # type: ignore[import-untyped] # it ships no types
import psycopg
from steps import HEAD, NAME, STEPS, TABLES, Recorder, line
from tortoise import connections

from database_probe import Probe
from database_servers import BackendAddress, create_database, drop_database, server_of
from durable_core import AsyncDurable, AsyncWorkflowContext
from durable_tortoise import TortoiseStateStore
from tortoise_databases import BACKEND_OF, DRIVERS, open_tortoise
from tortoise_statements import asked

Execute = Callable[[str, Any], Awaitable[Any]]

SETTINGS = {
    "sqlite": ("PRAGMA journal_mode", "PRAGMA synchronous"),
    "postgres": ("SHOW fsync", "SHOW synchronous_commit"),
    "mariadb": ("SELECT @@innodb_flush_log_at_trx_commit", "SELECT @@sync_binlog"),
}


def workflows(connection_name: str) -> tuple[AsyncDurable, Any]:
    """An AsyncDurable with one workflow of ten small steps."""
    durable = AsyncDurable(TortoiseStateStore(connection_name))

    @durable.step
    async def work(number: int) -> dict[str, int]:
        return {"number": number}

    @durable.workflow(name="ten-steps")
    async def ten_steps(ctx: AsyncWorkflowContext, start: int) -> int:
        return sum([(await ctx.step(work, start + number))["number"] for number in range(STEPS)])

    return durable, ten_steps


async def one_round(address: BackendAddress, driver: str, runs: int) -> tuple[float, float, float, float]:
    """Seconds per step through the library and bare; statements and commits per run."""
    recorder = Recorder()
    async with await open_tortoise(address, driver, name=driver):
        durable, workflow = workflows(driver)
        await durable.boot()
        await empty(connections.get(driver).execute_query)
        with asked(recorder.statements):
            began = time.perf_counter()
            for number in range(runs):
                await durable.start(workflow, number)
                await durable.run_until_idle()
            ours = time.perf_counter() - began
        await empty(connections.get(driver).execute_query)
    async with bare(address, driver) as execute:
        began = time.perf_counter()
        for sql, params in recorder.statements:
            await execute(sql, params)
        theirs = time.perf_counter() - began
    return ours / runs / STEPS, theirs / runs / STEPS, *recorder.counts(runs)


async def empty(execute: Callable[[str], Awaitable[Any]]) -> None:
    """Remove every run."""
    for table in TABLES:
        await execute(f"DELETE FROM {table}")


@asynccontextmanager
async def bare(address: BackendAddress, driver: str) -> AsyncIterator[Execute]:
    """Run a statement on one connection of the driver itself, in autocommit, and fetch what it gives."""
    if address.server is None:
        async with aiosqlite.connect(address.database, isolation_level=None) as sqlite:
            yield sqlite.execute_fetchall
        return
    login: dict[str, Any] = {"host": address.server.host, "port": address.server.port, "user": address.server.user}
    password = address.server.password
    if driver == "asyncpg":
        connection = await asyncpg.connect(database=address.database, password=password, **login)
        try:
            yield lambda sql, params: connection.fetch(sql, *params)
        finally:
            await connection.close()
    elif driver == "psycopg":
        login |= {"dbname": address.database, "password": password, "autocommit": True}
        async with await psycopg.AsyncConnection.connect(**login) as postgres, postgres.cursor() as cursor:
            yield fetching(cursor)
    else:
        connect = asyncmy.connect if driver == "asyncmy" else aiomysql.connect
        mysql = await connect(db=address.database, password=password, autocommit=True, charset="utf8mb4", **login)
        try:
            async with mysql.cursor() as cursor:
                yield fetching(cursor)
        finally:
            mysql.close()


def fetching(cursor: Any) -> Execute:
    """Run a statement and fetch what it gives."""

    async def execute(sql: str, params: Any) -> None:
        await cursor.execute(sql, tuple(params) or None)
        if cursor.description is not None:
            await cursor.fetchall()

    return execute


def durability(address: BackendAddress) -> str:
    """What the database says about its commits."""
    with closing(Probe(address)) as probe:
        told = ((question.split()[-1].lstrip("@"), probe.execute(question)) for question in SETTINGS[address.backend])
        return ", ".join(f"{name}={rows[0][0]}" for name, rows in told)


def recreated(driver: str, folder: Path) -> BackendAddress:
    """A fresh database for *driver*."""
    backend = BACKEND_OF[driver]
    if backend == "sqlite":
        return BackendAddress(backend=backend, database=str(folder / "bench.sqlite3"))
    server = server_of(backend)
    drop_database(server, NAME)
    create_database(server, NAME)
    return BackendAddress(backend=backend, database=NAME, server=server)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DRIVERS)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for driver in given.names:
            address = recreated(driver, Path(folder))
            asyncio.run(one_round(address, driver, 2))  # creates the tables, warms the caches
            rounds = [asyncio.run(one_round(address, driver, given.runs)) for _ in range(given.rounds)]
            print(line(driver, rounds, durability(address)), flush=True)


if __name__ == "__main__":
    main()
