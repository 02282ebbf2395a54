"""What is the in-memory store's own: the contract itself is kept by tests/conformance/test_memory.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from durable_core.codec import JsonCodec
from durable_core.drive import run_blocking
from durable_core.errors import InvalidIdentifier, NotJsonSerializable, SuspendedError
from durable_core.memory import InMemoryStateStore
from durable_core.queries import RunQuery
from durable_core.records import BufferedEvent, BufferedSignal, RunPatch, StepError
from durable_core.store import StoreTransaction
from durable_core_samples import AT, LATER_MS, NOW_MS, a_checkpoint, a_run, a_waiter


@pytest.fixture
def store() -> InMemoryStateStore:
    return InMemoryStateStore()


class Stop(BaseException):
    """Not an Exception: what a cancellation or an interrupt looks like."""


def test_an_application_may_open_the_transaction(store: InMemoryStateStore) -> None:
    with pytest.raises(Stop), store.atomic():
        run_blocking(store.create_run(a_run("gone")))
        raise Stop
    with store.atomic():
        run_blocking(store.create_run(a_run("kept")))
    assert [run.id for run in run_blocking(store.list_runs(RunQuery()))] == ["kept"]


def test_a_rolled_back_transaction_restores_every_table(store: InMemoryStateStore) -> None:
    run_blocking(store.create_run(a_run("r", tags=("a",), search_attributes={"n": 1})))
    run_blocking(store.save_checkpoint(a_checkpoint(output="before")))
    run_blocking(store.put_signal_waiter(a_waiter()))
    run_blocking(store.buffer_signal("early", 1))
    run_blocking(store.buffer_signal("early", 2))
    run_blocking(store.buffer_event(BufferedEvent(id="e", name="n", published_at_ms=0)))
    before = _contents(store)

    with pytest.raises(Stop), store.atomic():
        run_blocking(store.update_run("r", RunPatch(status="failed", search_attributes={"m": 2})))
        run_blocking(store.save_checkpoint(a_checkpoint(output="after")))
        run_blocking(store.save_checkpoint(a_checkpoint(seq=1)))
        run_blocking(store.deliver_signal("paid", None, AT))
        run_blocking(store.take_buffered_signal("early"))
        run_blocking(store.buffer_signal("early", 3))
        run_blocking(store.remove_buffered_event("e"))
        run_blocking(store.create_run(a_run("other")))
        run_blocking(store.delete_run("r"))
        assert _contents(store) != before
        raise Stop

    assert _contents(store) == before
    assert run_blocking(store.take_buffered_signal("early")) == BufferedSignal(payload=1)


def _contents(store: InMemoryStateStore) -> list[list[Any]]:
    tables = store.tables
    rows: list[list[Any]] = [tables.runs.all(), tables.checkpoints.all(), tables.attributes.all()]
    rows += [tables.waiters.all(), tables.signals.all(), tables.events.all()]
    by_index = [
        *(tables.runs.where(status) for status in ("pending", "failed")),
        *(table.where("r") for table in (tables.checkpoints, tables.attributes, tables.waiters)),
        tables.signals.where("early"),
        tables.events.where("n"),
    ]
    return [sorted(one, key=repr) for one in (*rows, *by_index)]


def test_a_failing_savepoint_undoes_itself_alone(store: InMemoryStateStore) -> None:
    called: list[str] = []
    with store.atomic():
        run_blocking(store.create_run(a_run("kept")))
        store.on_commit(lambda: called.append("kept"))
        with pytest.raises(Stop), store.atomic():
            run_blocking(store.create_run(a_run("gone")))
            run_blocking(store.update_run("kept", RunPatch(status="running")))
            store.on_commit(lambda: called.append("gone"))
            raise Stop
        run_blocking(store.create_run(a_run("too")))
        assert called == []
    runs = run_blocking(store.list_runs(RunQuery()))
    assert [(run.id, run.status) for run in runs] == [("too", "pending"), ("kept", "pending")]
    assert called == ["kept"]


def test_a_statement_that_fails_half_way_leaves_the_transaction_as_it_was(store: InMemoryStateStore) -> None:
    long_token = "x" * 190  # its waiter can be stored, the name of its checkpoint cannot
    with store.atomic():
        run_blocking(store.create_run(a_run(status="suspended")))
        run_blocking(store.put_signal_waiter(a_waiter(long_token)))
        with pytest.raises(InvalidIdentifier):
            run_blocking(store.deliver_signal(long_token, 1, AT))
    assert run_blocking(store.take_signal_waiter(long_token)) == a_waiter(long_token)
    assert run_blocking(store.take_buffered_signal(long_token)) is None


def test_callbacks_come_after_the_outermost_commit_and_never_after_a_rollback(store: InMemoryStateStore) -> None:
    called: list[str] = []
    store.on_commit(lambda: called.append("none is open"))
    with store.atomic():
        store.on_commit(lambda: called.append("first"))
        with store.atomic():
            store.on_commit(lambda: called.append("second"))
    with pytest.raises(Stop), store.atomic():
        store.on_commit(lambda: called.append("never"))
        raise Stop
    assert called == ["none is open", "first", "second"]


def test_a_failing_callback_is_logged_and_neither_fails_the_commit_nor_the_next_one(
    store: InMemoryStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []
    with store.atomic():
        store.on_commit(lambda: called.append(str(1 / 0)))
        store.on_commit(lambda: called.append("next"))
    assert called == ["next"]
    assert "the commit itself stands" in caplog.text


def test_work_that_really_awaits_is_refused_and_rolled_back(store: InMemoryStateStore) -> None:
    class Never:
        def __await__(self) -> Any:
            yield

    async def work(tx: StoreTransaction) -> None:
        assert tx.raw is None
        await tx.save_checkpoint(a_checkpoint())
        await Never()

    with pytest.raises(SuspendedError, match="work"):
        run_blocking(store.transaction(work))
    assert run_blocking(store.get_checkpoint("r", 0)) is None


def test_not_even_on_an_event_loop_may_work_pause_while_it_holds_the_store(store: InMemoryStateStore) -> None:
    async def work(tx: StoreTransaction) -> None:
        await asyncio.sleep(0)

    with pytest.raises(SuspendedError):
        asyncio.run(store.transaction(work))


def test_work_may_return_any_awaitable(store: InMemoryStateStore) -> None:
    class Ready:
        def __await__(self) -> Any:
            yield from ()
            return "ready"

    def work(tx: StoreTransaction) -> Awaitable[str]:
        return Ready()

    assert run_blocking(store.transaction(work)) == "ready"


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000])
@pytest.mark.parametrize("field", ["input", "output"])
def test_a_damaged_payload_costs_that_field_and_one_warning(
    store: InMemoryStateStore, caplog: pytest.LogCaptureFixture, field: str, text: str
) -> None:
    run_blocking(store.create_run(a_run(input=1, output=2)))
    row = store.tables.runs.get("r")
    assert row is not None
    damage: dict[str, Any] = {field: text}
    store.tables.runs.put(replace(row, **damage))
    run = run_blocking(store.get_run("r"))
    assert run is not None
    assert (run.decode_errors, getattr(run, field), run.input or run.output) == ((field,), None, 2 if run.output else 1)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"the {field} of run 'r' is damaged" in caplog.text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("error", "[]"), ("error", '{"code":1}'), ("search_attributes", "[]")),
        *(("tags", '{"a":1}'), ("tags", "[1]"), ("tags", "[" * 100_000)),
    ],
)
def test_a_field_of_the_wrong_shape_is_damaged_too(store: InMemoryStateStore, field: str, text: str) -> None:
    run_blocking(store.create_run(a_run(error=StepError(message="m"), tags=("a",), search_attributes={"n": 1})))
    row = store.tables.runs.get("r")
    assert row is not None
    damage: dict[str, Any] = {field: text}
    store.tables.runs.put(replace(row, **damage))
    listed = run_blocking(store.list_runs(RunQuery()))
    assert [(run.decode_errors, getattr(run, field)) for run in listed] == [((field,), None)]
    assert run_blocking(store.list_runs(RunQuery(tag="b"))) == []


def test_a_damaged_signal_reads_as_none_or_leaves_a_checkpoint_that_says_so(store: InMemoryStateStore) -> None:
    for token in ("taken", "paid"):
        run_blocking(store.buffer_signal(token, {"a": 1}))
        (row,) = store.tables.signals.where(token)
        store.tables.signals.put(replace(row, payload="{"))
    assert run_blocking(store.take_buffered_signal("taken")) == BufferedSignal(payload=None)
    run_blocking(store.create_run(a_run(status="running", locked_by="me", locked_until_ms=LATER_MS)))
    consumed = run_blocking(store.consume_buffered_signal(a_waiter(), AT, owner="me"))
    assert consumed is not None
    assert consumed == run_blocking(store.get_checkpoint("r", 0))
    assert (consumed.output, consumed.decode_errors) == (None, ("output",))


class Sealed:
    """A codec whose text is no JSON."""

    def encode(self, value: object, field: str) -> str:
        return JsonCodec().encode(value, field)[::-1]

    def decode(self, text: str) -> Any:
        return JsonCodec().decode(text[::-1])


def test_payloads_and_nothing_else_go_through_the_codec() -> None:
    store = InMemoryStateStore(Sealed())
    run_blocking(store.create_run(a_run(input={"a": 1}, tags=("t",), search_attributes={"n": 1})))
    run_blocking(store.update_run("r", RunPatch(output=[12], error=StepError(message="m"))))
    run_blocking(store.save_checkpoint(a_checkpoint(input=12, output=34, events=[{"k": 12}])))
    run_blocking(store.buffer_signal("s", 12))
    run_blocking(store.buffer_event(BufferedEvent(id="e", name="n", published_at_ms=0, payload=12)))

    row, checkpoint = store.tables.runs.get("r"), store.tables.checkpoints.get(("r", 0))
    (signal,), (event,) = store.tables.signals.all(), store.tables.events.all()
    assert row is not None
    assert checkpoint is not None
    assert (row.input, row.output, checkpoint.input, checkpoint.output) == ('}1:"a"{', "]21[", "21", "43")
    assert (signal.payload, event.payload) == ("21", "21")
    assert (row.error, row.tags, row.search_attributes) == ('{"message":"m"}', '["t"]', '{"n":1}')
    assert checkpoint.events == '[{"k":12}]'

    run = run_blocking(store.get_run("r"))
    assert run is not None
    assert (run.input, run.output) == ({"a": 1}, [12])
    assert run_blocking(store.take_buffered_signal("s")) == BufferedSignal(payload=12)


def test_what_no_sql_store_would_keep_is_refused_before_anything_is_written(store: InMemoryStateStore) -> None:
    refused: list[Callable[[], Any]] = [
        lambda: store.create_run(a_run(input={"a": {1}})),
        lambda: store.save_checkpoint(a_checkpoint(output=b"x")),
        lambda: store.save_checkpoint(a_checkpoint(events=[{"a": object()}])),
        lambda: store.buffer_signal("s", float("nan")),
        lambda: store.deliver_signal("s", float("nan"), AT),
        lambda: store.buffer_event(BufferedEvent(id="e", name="n", published_at_ms=NOW_MS, payload=b"x")),
    ]
    for call in refused:
        with pytest.raises(NotJsonSerializable):
            run_blocking(call())
    assert not any(_contents(store))
