"""Every poll, claim and listing finds its rows by an index: asked of the planner itself, among 50,000 runs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from backends import Backends
from database_servers import BackendAddress
from durable_conformance.plugin import leave_out
from durable_core.drive import run_blocking
from durable_core.instants import from_ms
from durable_core.queries import AttributeFilter, RetentionPolicy, RunQuery
from durable_core.records import Guard, RunPatch, SignalWaiter
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, Ran

pytestmark = pytest.mark.slow

_RUNS = 50_000
_SECONDS = 60_000  # between the oldest run and NOW


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def big(request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """50,000 runs, most of them ended long ago, as a table looks after a while."""
    name = request.param
    if (reason := backends.why_absent(name)) is not None:
        leave_out(request, name, reason)
    address: BackendAddress = backends.create(name, tmp_path_factory.mktemp("big"))
    cell = Cell(address)
    _fill(cell)
    yield cell
    cell.close()
    backends.drop(address)


def _fill(cell: Cell) -> None:
    store = cell.store()
    database = store.session.raw
    run_blocking(store.ensure_schema())
    chance = random.Random(5)
    at = store.session.dialect.encode_instant
    ended = ["completed"] * 92 + ["failed"] * 4
    live = ["pending", "suspended", "running", "cancelling"]
    runs: list[tuple[Any, ...]] = []
    checkpoints: list[tuple[Any, ...]] = []
    attributes: list[tuple[Any, ...]] = []
    for number in range(_RUNS):
        is_live = number > _RUNS * 0.9 and chance.random() < 0.4
        status = chance.choice(live if is_live else ended)
        created = NOW - timedelta(seconds=_SECONDS - number)
        wake = at(NOW + timedelta(seconds=chance.randint(-500, 500))) if status == "suspended" else None
        lease = ("o", at(NOW + timedelta(seconds=chance.randint(-30, 30)))) if status == "running" else (None, None)
        namespace = "default" if chance.random() < 0.9 else "other"
        workflow = f"flow-{number % 50}"
        run_id = f"run-{number:06}"
        stamps = (at(created), at(created + timedelta(seconds=5)))
        runs.append((run_id, workflow, "1", status, '{"a":1}', '["x","y"]', wake, *lease, namespace, *stamps))
        if number % 5 == 0:
            attributes.append((run_id, "customer", f"c-{number % 5000}", None))
            attributes.append((run_id, "total", None, float(number % 1000)))
        if number % 10 == 0:
            checkpoints.append((run_id, 0, "step", "local", f"{run_id}:0", "completed", 1, *stamps))
    waiters = [(f"signal-{number:05}", f"run-{number:06}", 1) for number in range(5_000)]
    signals = [(f"signal-{number % 2000:05}", "1") for number in range(10_000)]
    events = [(f"e-{number}", f"event-{number % 200}", at(NOW)) for number in range(10_000)]
    run_columns = "id, workflow, workflow_version, status, input, tags, wake_at, locked_by, locked_until, namespace"
    tables = [
        ("durable_workflow_runs", f"{run_columns}, created_at, updated_at", runs),
        (
            "durable_step_checkpoints",
            "run_id, seq, name, kind, step_id, status, attempts, started_at, finished_at",
            checkpoints,
        ),
        (
            "durable_run_attributes",
            f"run_id, {store.session.dialect.quoted('key')}, str_value, num_value",
            attributes,
        ),
        ("durable_signal_waiters", "token, run_id, seq", waiters),
        ("durable_buffered_signals", "token, payload", signals),
        ("durable_buffered_events", "id, name, published_at", events),
    ]
    mark = store.session.dialect.placeholder(1)
    with database.atomic():
        for table, columns, rows in tables:
            values = "(" + ", ".join([mark] * len(rows[0])) + ")"
            for start in range(0, len(rows), 1_000):
                chunk = rows[start : start + 1_000]
                database.execute_sql(
                    f"INSERT INTO {table} ({columns}) VALUES {', '.join([values] * len(chunk))}",
                    [value for row in chunk for value in row],
                )
    for table, _, _ in tables:
        database.execute_sql(f"ANALYZE {'TABLE ' if cell.name == 'mariadb' else ''}{table}")


_SOON = NOW_MS + 30_000
_QUERIES: dict[str, Any] = {
    "pending of a namespace": lambda s: s.list_pending_runs(10, "default"),
    "pending of all": lambda s: s.list_pending_runs(10),
    "claim of a namespace": lambda s: s.claim_runs("o-1", _SOON, NOW_MS, 10, "default"),
    "claim of all": lambda s: s.claim_runs("o-1", _SOON, NOW_MS, 10),
    "due claim of a namespace": lambda s: s.claim_due_runs("o-1", _SOON, NOW_MS, 10, "default"),
    "due claim of all": lambda s: s.claim_due_runs("o-1", _SOON, NOW_MS, 10),
    "due timers": lambda s: s.list_due_timers(NOW_MS, limit=10),
    "due timers of a namespace": lambda s: s.list_due_timers(NOW_MS, "default", limit=10),
    "incomplete": lambda s: s.list_incomplete_runs(lease_expired_ms=NOW_MS, limit=10),
    "incomplete of a namespace": lambda s: s.list_incomplete_runs("default", lease_expired_ms=NOW_MS, limit=10),
    "newest": lambda s: s.list_runs(RunQuery(limit=20)),
    "newest, next page": lambda s: s.list_runs(RunQuery(limit=20, before=(from_ms(NOW_MS - 30_000_000), "run-03"))),
    "newest of a namespace": lambda s: s.list_runs(RunQuery(namespace="other", limit=20)),
    "newest of a status": lambda s: s.list_runs(RunQuery(status="pending", limit=20)),
    "newest of a common status": lambda s: s.list_runs(RunQuery(status="completed", limit=20)),
    "newest of statuses": lambda s: s.list_runs(RunQuery(statuses=("running", "suspended"), limit=20)),
    "newest of a workflow and status": lambda s: s.list_runs(RunQuery(workflow="flow-7", status="failed", limit=20)),
    "newest with a text attribute": lambda s: s.list_runs(
        RunQuery(attributes=(AttributeFilter(key="customer", op="eq", value="c-75"),), limit=20)
    ),
    "newest with a number": lambda s: s.list_runs(
        RunQuery(attributes=(AttributeFilter(key="total", op="gte", value=995),), limit=20)
    ),
    "one run": lambda s: s.get_run("run-000077"),
    "guarded change": lambda s: s.update_run("run-000077", RunPatch(priority=1), expect=Guard(owner="o")),
    "checkpoints of a run": lambda s: s.list_checkpoints("run-000070"),
    "checkpoints by prefix": lambda s: s.list_checkpoints_by_name_prefix("run-000070", ["st", "un"]),
    "waiters by prefix": lambda s: s.list_signal_waiters("signal-0012"),
    "a buffered signal": lambda s: s.take_buffered_signal("signal-00012"),
    "a delivery": lambda s: s.deliver_signal("signal-00012", 1, NOW),
    "events by name": lambda s: s.list_buffered_events("event-7", 20),
    "runs to prune by age": lambda s: s.prune_terminal_runs(
        RetentionPolicy(statuses=("failed",), max_age=(_SECONDS - 500) * 1000), NOW_MS, 20
    ),
    "runs to prune by count": lambda s: s.prune_terminal_runs(
        RetentionPolicy(statuses=("failed",), max_count=1900), NOW_MS, 20
    ),
    "deletion": lambda s: s.delete_run("run-000078"),
    "removal of a waiter": lambda s: s.remove_signal_waiter(SignalWaiter(token="signal-00077", run_id="x", seq=1)),
}


@pytest.mark.parametrize("query", _QUERIES)
def test_an_index_finds_the_rows(big: Cell, query: str) -> None:
    store = big.store()
    database = store.session.raw
    with Ran.on(database) as ran:
        run_blocking(_QUERIES[query](store))

    explained = [one for one in ran.statements if one[0].startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    assert explained
    for sql, params in explained:
        scanned = _scanned(big, store, sql, params)
        assert scanned == [], sql


def _scanned(cell: Cell, store: PeeweeStateStore, sql: str, params: Any) -> list[Any]:
    """What of *sql*'s plan reads a whole table."""
    database = store.session.raw
    if cell.is_postgres:
        ((plan,),) = database.execute_sql(f"EXPLAIN (FORMAT JSON) {sql}", params).fetchall()
        nodes = _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        return [node for node in nodes if node["Node Type"] == "Seq Scan"]
    if cell.name == "sqlite":
        rows = [row[3] for row in database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()]
        return [row for row in rows if row.startswith("SCAN durable") and "USING" not in row]
    cursor = database.execute_sql(f"EXPLAIN {sql}", params)
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [row for row in rows if row["type"] == "ALL" and str(row["table"]).startswith("durable")]


#: What a worker asks again and again must begin at its place in an index of its own columns.
_BY_INDEX = {
    "pending of a namespace": "durable_runs_namespace_status_idx",
    "claim of a namespace": "durable_runs_namespace_status_idx",
    "due timers": "durable_runs_status_idx",
    "due timers of a namespace": "durable_runs_status_idx",
    "due claim of a namespace": "durable_runs_status_idx",
    "newest": "durable_runs_created_idx",
    "newest, next page": "durable_runs_created_idx",
    "runs to prune by age": "durable_runs_status_updated_idx",
}


@pytest.mark.parametrize("query", _BY_INDEX)
def test_the_index_is_the_one_that_was_made_for_it(big: Cell, query: str) -> None:
    store = big.store()
    with Ran.on(store.session.raw) as ran:
        run_blocking(_QUERIES[query](store))

    sql, params = next(one for one in ran.statements if one[0].startswith(("SELECT", "WITH")))
    explain = "EXPLAIN QUERY PLAN" if big.name == "sqlite" else "EXPLAIN"
    plan = store.session.raw.execute_sql(f"{explain} {sql}", params).fetchall()

    assert _BY_INDEX[query] in str(plan)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
