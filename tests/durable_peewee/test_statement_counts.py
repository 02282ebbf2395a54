"""Cost is a contract: one call is one autocommitted statement wherever the database can do it in one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from durable_core.drive import run_blocking
from durable_core.queries import RunQuery
from durable_core.records import BufferedEvent, Guard, RunPatch, SignalWaiter
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, Cell, Ran, a_checkpoint, a_run, created

_HELD = "o-1"
_WAITER = SignalWaiter(token="t-1", run_id="held", seq=9)

#: A call, how many statements it may take on PostgreSQL and SQLite, and how many on MariaDB.
_CALLS: dict[str, tuple[Callable[[PeeweeStateStore], Awaitable[Any]], int, int]] = {
    "create_run": (lambda s: s.create_run(a_run("new")), 1, 1),
    "create_run that exists": (lambda s: s.create_run(a_run("held")), 1, 1),
    "get_run": (lambda s: s.get_run("held"), 1, 1),
    "update_run": (lambda s: s.update_run("held", RunPatch(priority=5), expect=Guard(owner=_HELD)), 1, 1),
    "suspend_run": (lambda s: s.suspend_run("held", _HELD, NOW_MS, NOW), 1, 1),
    "save_checkpoint": (lambda s: s.save_checkpoint(a_checkpoint("held", 1)), 1, 1),
    "save_checkpoint fenced": (lambda s: s.save_checkpoint(a_checkpoint("held", 1), owner=_HELD), 1, 1),
    "list_checkpoints": (lambda s: s.list_checkpoints("held"), 1, 1),
    "claim_runs": (lambda s: s.claim_runs("o-2", NOW_MS + 9, NOW_MS, 10), 1, 3),
    "claim_runs, idle": (lambda s: s.claim_runs("o-2", NOW_MS + 9, NOW_MS, 10, "nobody's"), 1, 1),
    "claim_due_runs": (lambda s: s.claim_due_runs("o-2", NOW_MS + 9, NOW_MS, 10), 1, 3),
    "claim_due_runs, idle": (lambda s: s.claim_due_runs("o-2", NOW_MS - 8, NOW_MS - 9, 10), 1, 1),
    "try_lock_run": (lambda s: s.try_lock_run("free", "o-2", NOW_MS + 9, NOW_MS), 1, 1),
    "renew_run_lock": (lambda s: s.renew_run_lock("held", _HELD, NOW_MS + 99_999), 1, 1),
    "renew_run_locks": (lambda s: s.renew_run_locks([("held", _HELD), ("mine", "o-3")], NOW_MS + 99_999), 1, 2),
    "release_run_lock": (lambda s: s.release_run_lock("held", _HELD), 1, 1),
    "list_pending_runs": (lambda s: s.list_pending_runs(10), 1, 1),
    "list_due_timers": (lambda s: s.list_due_timers(NOW_MS), 1, 1),
    "list_incomplete_runs": (lambda s: s.list_incomplete_runs(), 1, 1),
    "put_signal_waiter": (lambda s: s.put_signal_waiter(_WAITER), 1, 1),
    "take_signal_waiter": (lambda s: s.take_signal_waiter("waiting"), 1, 2),
    "remove_signal_waiter": (lambda s: s.remove_signal_waiter(_WAITER), 1, 1),
    "buffer_signal": (lambda s: s.buffer_signal("t-2", 1), 1, 1),
    "take_buffered_signal": (lambda s: s.take_buffered_signal("sent"), 1, 2),
    "buffer_event": (
        lambda s: s.buffer_event(BufferedEvent(id="e-1", name="e", published_at_ms=NOW_MS)),
        1,
        1,
    ),
    "remove_buffered_event": (lambda s: s.remove_buffered_event("e-9"), 1, 1),
    "list_runs": (lambda s: s.list_runs(RunQuery(limit=10)), 1, 1),
    "run_facets": (lambda s: s.run_facets(RunQuery()), 1, 1),
    "end_run": (lambda s: s.end_run("held", RunPatch(status="completed"), expect=Guard(owner=_HELD)), 3, 3),
    "deliver_signal to a waiter": (lambda s: s.deliver_signal("waiting", 1, NOW), 5, 6),
    "deliver_signal to nobody": (lambda s: s.deliver_signal("t-3", 1, NOW), 3, 4),
    "consume_buffered_signal that waits": (lambda s: s.consume_buffered_signal(_WAITER, NOW, owner=_HELD), 4, 5),
}
#: What several rows or tables make a transaction of.
_TRANSACTIONS = ("end_run", "deliver_signal", "consume_buffered_signal")


def test_a_call_takes_no_more_statements_than_it_must(cell: Cell) -> None:
    database = cell.database()
    store = cell.store(database)
    for call, (make_call, most, most_on_mariadb) in _CALLS.items():
        cell.empty()
        _fill(store)

        with Ran.on(database) as ran:
            run_blocking(_awaited(make_call(store)))

        own = [sql for sql, _ in ran.statements if not sql.startswith(("SAVEPOINT", "RELEASE"))]
        assert len(own) <= (most_on_mariadb if cell.name == "mariadb" else most), (call, own)
        if len(own) == 1 or (cell.name != "mariadb" and not call.startswith(_TRANSACTIONS)):
            assert ran.begun == 0, call


async def _awaited(call: Awaitable[Any]) -> Any:
    return await call


def _fill(store: PeeweeStateStore) -> None:
    created(
        store,
        a_run("held", status="running", locked_by=_HELD, locked_until_ms=NOW_MS + 1_000),
        a_run("mine", status="running", locked_by="o-3", locked_until_ms=NOW_MS + 1_000),
        a_run("free"),
        a_run("due", status="suspended", wake_at_ms=NOW_MS),
        a_run("parked", status="suspended", wake_at_ms=NOW_MS + 5_000),
    )
    run_blocking(store.put_signal_waiter(SignalWaiter(token="waiting", run_id="parked", seq=1)))
    run_blocking(store.buffer_signal("sent", 1))
