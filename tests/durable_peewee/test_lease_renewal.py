"""A process keeps the leases of everything that it works on, however much that is and however slow its database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from durable_core import Durable, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.queries import RunQuery
from durable_peewee import PeeweeStateStore
from durable_shop import eventually
from peewee_cells import NOW_MS, Cell, CellOn, Ran, a_run, created
from peewee_databases import open_peewee
from slow_link import slow_link

_RUNS = 40
_LEASE_S = 2.0


@pytest.mark.parametrize("backend", ["postgres", "postgres3", "mariadb"])
def test_a_row_that_is_being_written_to_is_not_waited_for(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    locks = [("busy", "o-1"), ("calm", "o-2")]
    created(cell.store(), *(_held(run_id, owner) for run_id, owner in locks))
    host = cell.database()

    with ThreadPoolExecutor(1) as thread, host.atomic():
        host.execute_sql("UPDATE durable_workflow_runs SET priority = 1 WHERE id = 'busy'")
        renewing = thread.submit(cell.in_thread(lambda store: run_blocking(store.renew_run_locks(locks, NOW_MS + 9))))
        assert renewing.result(20) == set()

    assert {run.id: run.locked_until_ms for run in run_blocking(cell.store().list_runs(RunQuery()))} == {
        "busy": NOW_MS,
        "calm": NOW_MS + 9,
    }


def test_what_was_taken_over_is_told_beside_what_is_only_being_written_to(cell_on: CellOn) -> None:
    cell = cell_on("mariadb")
    created(cell.store(), _held("busy", "o-1"), _held("stolen", "thief"))
    host = cell.database()

    with ThreadPoolExecutor(1) as thread, host.atomic():
        host.execute_sql("UPDATE durable_workflow_runs SET locked_by = 'thief' WHERE id = 'busy'")
        locks = [("busy", "o-1"), ("stolen", "o-1")]
        renewing = thread.submit(cell.in_thread(lambda store: run_blocking(store.renew_run_locks(locks, NOW_MS + 9))))
        assert renewing.result(20) == {("stolen", "o-1")}


def test_the_leases_of_a_process_are_renewed_over_one_connection_by_as_few_statements_as_one_lease(cell: Cell) -> None:
    database = cell.database()
    durable = Durable(PeeweeStateStore(database), lease="60 ms", poll="10 s")
    release, begun = threading.Event(), threading.Semaphore(0)

    @durable.workflow()
    def flow(_ctx: WorkflowContext) -> None:
        begun.release()
        assert release.wait(60)

    durable.boot()
    handles = [durable.start(flow) for _ in range(12)]
    with ExitStack() as stack:
        stack.enter_context(durable.worker(concurrency=12))
        stack.callback(release.set)
        for _ in handles:
            assert begun.acquire(timeout=30)
        opened = _count_connections(database)
        with Ran.on(database) as ran:
            until_ms = handles[0].get().locked_until_ms or 0
            eventually(lambda: (handles[0].get().locked_until_ms or 0) > until_ms + 300, "some rounds have passed")
    updates = [sql for sql, _ in ran.statements if "SET locked_until" in sql]
    assert opened.count("durable-every") <= 1
    assert len(updates) > 3
    assert all(sql.count("locked_by =") in (0, 12) for sql in updates)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["postgres", "mariadb"])
def test_many_runs_on_a_database_far_away_are_not_taken_over(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    tries: Counter[str] = Counter()
    release = threading.Event()

    def process(store: PeeweeStateStore) -> Durable:
        durable = Durable(store, lease=f"{_LEASE_S} s", poll="50 ms")

        @durable.step
        def long(run_id: str) -> None:
            tries[run_id] += 1
            assert release.wait(120)

        @durable.workflow(name="flow")
        def flow(ctx: WorkflowContext) -> None:
            ctx.step(long, ctx.run_id)

        return durable

    options: dict[str, Any] = {"ssl_disabled": True} if backend == "mariadb" else {}
    assert cell.address.server is not None
    with slow_link(cell.address.server, 0.025) as far_away, ExitStack() as stack:
        slow = open_peewee(replace(cell.address, server=far_away), **options)
        near = process(PeeweeStateStore(cell.database(**options)))
        handles = [near.start("flow") for _ in range(_RUNS)]
        stack.enter_context(process(PeeweeStateStore(slow)).worker(concurrency=_RUNS))
        stack.callback(release.set)
        eventually(lambda: len(tries) == _RUNS, "every run is in its step")
        with near.worker(concurrency=4):
            ends = time.monotonic() + 3 * _LEASE_S
            while time.monotonic() < ends:
                assert tries.total() == _RUNS
                time.sleep(0.05)
        release.set()
        for handle in handles:
            handle.result("60 s")
    assert tries.total() == _RUNS
    assert {handle.get().recovery_attempts for handle in handles} == {None}


def _held(run_id: str, owner: str) -> Any:
    return a_run(run_id, status="running", locked_by=owner, locked_until_ms=NOW_MS)


def _count_connections(database: Any) -> list[str]:
    """Note every connection that *database* opens from now on."""
    opened: list[str] = []
    connect = database._connect

    def counted(*args: Any, **kwargs: Any) -> Any:
        opened.append(threading.current_thread().name)
        return connect(*args, **kwargs)

    database._connect = counted
    return opened
