"""Claims: each run goes to exactly one caller, and nobody waits for what others have locked."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from durable_core.drive import run_blocking
from durable_core.records import RunPatch, WorkflowRun
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, CellOn, Ran, a_run, created, together


def _pending(count: int) -> list[WorkflowRun]:
    runs = [a_run(f"r{number:03}", created_at=NOW + timedelta(milliseconds=number)) for number in range(count)]
    return random.Random(7).sample(runs, count)


def _claim(store: PeeweeStateStore, owner: str, limit: int) -> list[str]:
    claimed = run_blocking(store.claim_runs(owner, NOW_MS + 1_000, NOW_MS, limit))
    assert all(run.locked_by == owner and run.status == "running" for run in claimed)
    return [run.id for run in claimed]


def _ids(store: PeeweeStateStore, **conditions: object) -> set[str]:
    database = store.session.raw
    where = " AND ".join(f"{name} = '{value}'" for name, value in conditions.items())
    return {row[0] for row in database.execute_sql(f"SELECT id FROM durable_workflow_runs WHERE {where}").fetchall()}


def test_every_run_goes_to_exactly_one_of_many_threads(cell: Cell) -> None:
    runs = _pending(120)
    created(cell.store(), *runs)

    def work(number: int) -> list[str]:
        database = cell.database()
        store = cell.store(database)
        mine: list[str] = []
        with database.connection_context():
            # A claim may come back empty while others hold what it saw; the runs themselves say when there is no more.
            while run_blocking(store.list_pending_runs(1)):
                mine += _claim(store, f"o-{number}", 1 + number % 3)
            assert _ids(store, locked_by=f"o-{number}") == set(mine)
        return mine

    claimed = [run_id for mine in together(6, work) for run_id in mine]

    assert sorted(claimed) == sorted(run.id for run in runs)


def test_claims_are_in_order_whatever_the_tables_order(cell: Cell) -> None:
    store = cell.store()
    runs = _pending(40)
    created(store, *runs)
    oldest_first = sorted(run.id for run in runs)

    assert _claim(store, "o-1", 15) == oldest_first[:15]
    for position, run_id in enumerate(oldest_first[:15]):
        woken = RunPatch(status="suspended", wake_at_ms=NOW_MS - position, locked_by=None, locked_until_ms=None)
        run_blocking(store.update_run(run_id, woken))
    due = run_blocking(store.claim_due_runs("o-2", NOW_MS + 1_000, NOW_MS, 10))

    assert [run.id for run in due] == oldest_first[14:4:-1]
    assert {run.wake_at_ms for run in due} == {None}


def test_ties_are_broken_by_id(cell: Cell) -> None:
    store = cell.store()
    names = ["b", "B", "a", "é", "_", "z", "Z", "a-1"]
    created(store, *(a_run(name) for name in names))

    assert [run.id for run in run_blocking(store.list_pending_runs(99))] == sorted(names)
    assert _claim(store, "o-1", 99) == sorted(names)


@pytest.mark.parametrize("backend", ["postgres", "postgres3", "mariadb"])
def test_a_claim_steps_over_what_the_hosts_transaction_has_locked(cell_on: CellOn, backend: str) -> None:
    cell = cell_on(backend)
    store = cell.store()
    created(store, *_pending(30))
    host = cell.database()

    with ThreadPoolExecutor(1) as threads, host.atomic():
        # Twelve oldest: more than a first look of one run sees, so that the claim has to look further.
        for number in range(12):
            host.execute_sql(f"UPDATE durable_workflow_runs SET priority = 1 WHERE id = 'r{number:03}'")
        created(cell.store(host), a_run("unseen", created_at=NOW - timedelta(days=1)))
        first = threads.submit(cell.in_thread(lambda other: [*_claim(other, "o-1", 1), *_claim(other, "o-1", 2)]))
        assert first.result(20) == ["r012", "r013", "r014"]
        rest = threads.submit(cell.in_thread(lambda other: _claim(other, "o-2", 99)))
        assert rest.result(20) == [f"r{number:03}" for number in range(15, 30)]

    assert _claim(store, "o-3", 99) == ["unseen", *(f"r{number:03}" for number in range(12))]


def test_a_run_that_somebody_holds_is_left_to_them(cell: Cell) -> None:
    store = cell.store()
    created(
        store,
        a_run("held", locked_by="o-1", locked_until_ms=NOW_MS + 1),
        a_run("left", locked_by="o-1", locked_until_ms=NOW_MS),
        a_run("asleep", status="suspended", wake_at_ms=NOW_MS, locked_by="o-1", locked_until_ms=NOW_MS + 1),
    )

    assert _claim(store, "o-2", 9) == ["left"]
    assert run_blocking(store.claim_due_runs("o-2", NOW_MS + 9, NOW_MS, 9)) == []


def test_an_idle_claim_on_mariadb_begins_no_transaction(cell_on: CellOn) -> None:
    cell = cell_on("mariadb")
    database = cell.database()
    store = cell.store(database)

    with Ran.on(database) as ran:
        assert _claim(store, "o-1", 10) == []

    assert len(ran) == 1
    assert ran.begun == 0
