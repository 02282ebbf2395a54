"""Steps per second through Pony, beside the very same statements issued by the bare driver.

    PYTHONPATH=tests uv run python bench/steps_pony.py [--runs 50] [--rounds 5] [sqlite postgres mariadb]

As `steps.py` measures Peewee. Pony counts no BEGIN and COMMIT among its statements: those of the transaction in which
MariaDB claims a run are left out, here and on the bare connection.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from pony.orm import Database, db_session
from steps import HEAD, NAME, STEPS, Recorder, backends, bare, durability, empty, line, recreate

from database_servers import BackendAddress, server_of
from durable_core import Durable, WorkflowContext
from durable_pony import PonyStateStore
from pony_databases import PONY_BACKENDS, open_pony


def workflows(db: Database) -> tuple[Durable, Any]:
    """A Durable with one workflow of ten small steps."""
    durable = Durable(PonyStateStore(db))

    @durable.step
    def work(number: int) -> dict[str, int]:
        return {"number": number}

    @durable.workflow(name="ten-steps")
    def ten_steps(ctx: WorkflowContext, start: int) -> int:
        return sum(ctx.step(work, start + number)["number"] for number in range(STEPS))

    return durable, ten_steps


def one_round(name: str, folder: Path, runs: int) -> tuple[float, float, float, float]:
    """Seconds per step through the library and bare; statements and commits per run."""
    recorder = Recorder()
    db = open_pony(_address(name, folder))
    durable, workflow = workflows(db)
    durable.boot()
    with db_session:
        empty(db.execute)  # which leaves this thread a connection, as in an application that uses Pony
    execute = db._exec_sql  # noqa: SLF001 - Pony has no hook for statements

    def recording(sql: str, params: Any = None, *rest: Any) -> Any:
        recorder.statements.append((sql, params or ()))
        return execute(sql, params, *rest)

    db._exec_sql = recording  # noqa: SLF001 - as above
    began = time.perf_counter()
    for number in range(runs):
        durable.start(workflow, number)
        durable.run_until_idle()
    ours = time.perf_counter() - began
    db._exec_sql = execute  # noqa: SLF001 - as above
    with db_session:
        empty(db.execute)
    db.disconnect()
    with bare(backends(folder)[name]) as cursor:
        began = time.perf_counter()
        for sql, params in recorder.statements:
            cursor.execute(sql, tuple(params))
            if cursor.description is not None:
                cursor.fetchall()
        theirs = time.perf_counter() - began
    return ours / runs / STEPS, theirs / runs / STEPS, *recorder.counts(runs)


def _address(name: str, folder: Path) -> BackendAddress:
    if name == "sqlite":
        return BackendAddress(backend=name, database=str(folder / "bench.sqlite3"))
    return BackendAddress(backend=name, database=NAME, server=server_of(name))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PONY_BACKENDS)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names:
            recreate(name)
            one_round(name, Path(folder), 2)  # creates the tables, warms the caches
            rounds = [one_round(name, Path(folder), given.runs) for _ in range(given.rounds)]
            print(line(name, rounds, durability(backends(Path(folder))[name])), flush=True)


if __name__ == "__main__":
    main()
