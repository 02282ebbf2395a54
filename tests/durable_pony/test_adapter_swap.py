"""Rows that one adapter wrote are carried on by another, in the middle of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee
import pytest

from durable_core import Durable, WorkflowContext
from durable_core.drive import run_blocking
from durable_core.queries import RunQuery
from durable_core.records import WorkflowRun
from durable_peewee import PeeweeStateStore
from peewee_cells import NOW, NOW_MS, a_checkpoint, a_run
from peewee_databases import open_peewee
from pony_cells import PonyCell


@pytest.fixture
def through_peewee(cell: PonyCell) -> Iterator[PeeweeStateStore]:
    database: peewee.Database = open_peewee(cell.address)
    yield PeeweeStateStore(database)
    if not database.is_closed():
        database.close()


def _process(store: Any, calls: list[str]) -> Durable:
    durable = Durable(store, lease="100 ms")

    @durable.step(name="charge")
    def charge(amount: float) -> dict[str, Any]:
        calls.append("charge")
        return {"amount": amount, "note": "Ä 🎁", "none": None}

    def keep(amount: float) -> str:
        calls.append("keep")
        return f"kept {amount}"

    @durable.workflow(name="order", version="1")
    def order(ctx: WorkflowContext, amount: float) -> list[Any]:
        charged = ctx.step(charge, amount)
        kept = ctx.transaction(keep, amount)
        answer: Any = ctx.wait_for_signal(f"answer:{ctx.run_id}", timeout="7 days")
        return [charged, kept, answer, ctx.transaction(keep, 2 * amount)]

    return durable


@pytest.mark.parametrize("pony_first", [True, False], ids=["pony-peewee", "peewee-pony"])
def test_a_run_goes_on_where_another_adapter_left_it(
    cell: PonyCell, through_peewee: PeeweeStateStore, pony_first: bool
) -> None:
    calls: list[str] = []
    stores: list[Any] = [cell.store(), through_peewee]
    first, second = (_process(store, calls) for store in (stores if pony_first else reversed(stores)))

    first.start("order", 19.5, id="o/1", search_attributes={"tier": "pro"}, tags=["vip"])
    first.run_until_idle()
    assert calls == ["charge", "keep"]
    second.signal("answer:o/1", {"stars": 5})
    second.run_until_idle()

    expected = [{"amount": 19.5, "note": "Ä 🎁", "none": None}, "kept 19.5", {"stars": 5}, "kept 39.0"]
    assert calls == ["charge", "keep", "keep"]
    assert first.handle("o/1").result("5 s") == second.handle("o/1").result("5 s") == expected


def test_both_adapters_read_and_write_the_same_rows(cell: PonyCell, through_peewee: PeeweeStateStore) -> None:
    through_pony = cell.store()
    full: dict[str, Any] = {
        "input": {"n": 1.5, "ä": "🎁"},
        "wake_at_ms": NOW_MS + 1,
        "tags": ("a", "b"),
        "search_attributes": {"n": 1, "s": "x", "b": True},
        "locked_by": "o-1",
        "locked_until_ms": NOW_MS + 7,
        "status": "running",
    }
    writers: list[Any] = [through_pony, through_peewee]
    for number, store in enumerate(writers):
        assert run_blocking(store.create_run(a_run(f"r{number}", **full)))
        run_blocking(store.save_checkpoint(a_checkpoint(f"r{number}", 1, output=[None, "ü"]), owner="o-1"))
        run_blocking(store.buffer_signal(f"t{number}", {"from": number}))

    def everything(store: Any) -> list[Any]:
        runs: list[WorkflowRun] = run_blocking(store.list_runs(RunQuery()))
        return [*runs, *(run_blocking(store.list_checkpoints(run.id)) for run in runs)]

    assert everything(through_pony) == everything(through_peewee)
    for number, store in enumerate(reversed(writers)):
        signal = run_blocking(store.take_buffered_signal(f"t{number}"))
        assert signal.payload == {"from": number}
    assert run_blocking(through_pony.renew_run_lock("r1", "o-1", NOW_MS + 9))
    assert run_blocking(through_peewee.suspend_run("r0", "o-1", NOW_MS + 9, NOW))
