"""Steps per second through Peewee, beside the very same statements issued by the bare driver.

    uv run python bench/steps.py [--runs 50] [--rounds 5] [sqlite postgres postgres3 mariadb]

Each round executes *runs* workflows of ten steps, one after the other in one thread, and records every statement;
then it empties the tables and issues the recorded statements again on a bare connection. Medians of the rounds, their
ratio, the statements and commits of one run, and the durability settings under which they were taken.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peewee
import psycopg
import psycopg2
import pymysql

from durable_core import Durable, WorkflowContext
from durable_peewee import PeeweeStateStore

STEPS = 10
TABLES = ("durable_step_checkpoints", "durable_run_attributes", "durable_signal_waiters", "durable_workflow_runs")
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH", "COMMIT")  # a claim begins WITH what it picks
NAME = "durable_bench"
HEAD = """\
| database | steps/s | bare driver | slower by | statements/run | commits/run | durability |
|---|---|---|---|---|---|---|"""


@dataclass
class Recorder:
    """The statements that went through Peewee while it was on."""

    on: bool = False
    statements: list[tuple[str, Sequence[Any]]] = field(default_factory=list)

    def watching(self, base: type[peewee.Database]) -> type[peewee.Database]:
        """A subclass of *base* that records."""
        recorder = self

        class Watched(base):  # type: ignore[misc, valid-type]
            def execute_sql(self, sql: str, params: Any = None, *rest: Any, **options: Any) -> Any:
                if recorder.on:
                    recorder.statements.append((sql, params or ()))
                return super().execute_sql(sql, params, *rest, **options)

        return Watched

    def counts(self, runs: int) -> tuple[float, float]:
        """Statements and commits per run; every write outside of a transaction commits by itself."""
        begun, commits = False, 0
        for sql, _ in self.statements:
            verb = sql.split(None, 1)[0].upper()
            begun = (begun or verb == "BEGIN") and verb not in ("COMMIT", "ROLLBACK")
            commits += verb in WRITES and not begun
        return len(self.statements) / runs, commits / runs


@dataclass(frozen=True)
class Backend:
    """One database: how Peewee and how the bare driver reach it, and how durable its commits are."""

    name: str
    open_peewee: Callable[[Recorder], peewee.Database]
    open_bare: Callable[[], Any]
    settings: Sequence[str]


def workflows(db: peewee.Database) -> tuple[Durable, Any]:
    """A Durable with one workflow of ten small steps."""
    durable = Durable(PeeweeStateStore(db))

    @durable.step
    def work(number: int) -> dict[str, int]:
        return {"number": number}

    @durable.workflow(name="ten-steps")
    def ten_steps(ctx: WorkflowContext, start: int) -> int:
        return sum(ctx.step(work, start + number)["number"] for number in range(STEPS))

    return durable, ten_steps


def one_round(backend: Backend, runs: int) -> tuple[float, float, float, float]:
    """Seconds per step through the library and bare; statements and commits per run."""
    recorder = Recorder()
    db = backend.open_peewee(recorder)
    durable, workflow = workflows(db)
    durable.boot()
    with db.connection_context():
        empty(db.execute_sql)
        recorder.on = True
        began = time.perf_counter()
        for number in range(runs):
            durable.start(workflow, number)
            durable.run_until_idle()
        ours = time.perf_counter() - began
        recorder.on = False
        empty(db.execute_sql)
    per_run = recorder.counts(runs)
    with bare(backend) as cursor:
        began = time.perf_counter()
        for sql, params in recorder.statements:
            cursor.execute(sql, tuple(params))
            if cursor.description is not None:
                cursor.fetchall()
        theirs = time.perf_counter() - began
    return ours / runs / STEPS, theirs / runs / STEPS, *per_run


def empty(execute: Callable[[str], Any]) -> None:
    """Remove every run."""
    for table in TABLES:
        execute(f"DELETE FROM {table}")


@contextmanager
def bare(backend: Backend) -> Iterator[Any]:
    """A cursor of the driver itself, in autocommit."""
    connection = backend.open_bare()
    try:
        yield connection.cursor()
    finally:
        connection.close()


def durability(backend: Backend) -> str:
    """What the database says about its commits."""
    with bare(backend) as cursor:
        told = []
        for question in backend.settings:
            cursor.execute(question)
            told.append(f"{question.split()[-1].lstrip('@')}={cursor.fetchone()[0]}")
    return ", ".join(told)


def backends(folder: Path) -> dict[str, Backend]:
    """The four of them, on fresh databases."""
    postgres: dict[str, Any] = {"host": "127.0.0.1", "user": "postgres", "port": int(os.environ.get("PGPORT", "5432"))}
    mariadb: dict[str, Any] = {"host": "127.0.0.1", "user": "root", "port": int(os.environ.get("MYPORT", "3306"))}
    file = str(folder / "bench.sqlite3")
    in_postgres = ("SHOW fsync", "SHOW synchronous_commit")
    in_mariadb = ("SELECT @@innodb_flush_log_at_trx_commit", "SELECT @@sync_binlog")

    def psycopg3_bare() -> Any:
        return psycopg.connect(dbname=NAME, autocommit=True, **postgres)

    def psycopg2_bare() -> Any:
        connection = psycopg2.connect(dbname=NAME, **postgres)
        connection.autocommit = True
        return connection

    def sqlite_bare() -> Any:
        return sqlite3.connect(file, isolation_level=None)

    def pymysql_bare() -> Any:
        return pymysql.connect(database=NAME, autocommit=True, charset="utf8mb4", **mariadb)

    def in_peewee(base: type[peewee.Database], **options: Any) -> Callable[[Recorder], peewee.Database]:
        return lambda recorder: recorder.watching(base)(NAME, **options)

    return {
        "sqlite": Backend(
            "sqlite",
            lambda recorder: recorder.watching(peewee.SqliteDatabase)(file),
            sqlite_bare,
            ("PRAGMA journal_mode", "PRAGMA synchronous"),
        ),
        "postgres": Backend("postgres", in_peewee(peewee.PostgresqlDatabase, **postgres), psycopg2_bare, in_postgres),
        "postgres3": Backend(
            "postgres3",
            in_peewee(peewee.PostgresqlDatabase, prefer_psycopg3=True, **postgres),
            psycopg3_bare,
            in_postgres,
        ),
        "mariadb": Backend(
            "mariadb", in_peewee(peewee.MySQLDatabase, charset="utf8mb4", **mariadb), pymysql_bare, in_mariadb
        ),
    }


def recreate(name: str) -> None:
    """A fresh database on the server."""
    if name.startswith("postgres"):
        with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {NAME}")
    elif name == "mariadb":
        with pymysql.connect(host="127.0.0.1", user="root") as mariadb, mariadb.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
            cursor.execute(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")


def line(name: str, rounds: Sequence[tuple[float, float, float, float]], settings: str) -> str:
    """A line of the table: the medians of *rounds*, and what the first of them counted."""
    ours, theirs = (statistics.median(one[which] for one in rounds) for which in (0, 1))
    ratio = statistics.median(one[0] / one[1] for one in rounds)
    statements, commits = rounds[0][2:]
    return (
        f"| {name} | {1 / ours:.0f} | {1 / theirs:.0f} | {ratio:.2f}x | {statements:.1f} | {commits:.1f} | {settings} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["sqlite", "postgres", "postgres3", "mariadb"])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names:
            recreate(name)
            backend = backends(Path(folder))[name]
            one_round(backend, 2)  # creates the tables, warms the caches
            rounds = [one_round(backend, given.runs) for _ in range(given.rounds)]
            print(line(name, rounds, durability(backend)), flush=True)


if __name__ == "__main__":
    main()
