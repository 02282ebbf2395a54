"""Payloads: JSON in, the same JSON out, as the text that JavaScript would have written.

Not yet: payloads of 20 MB against a server's packet limit, and columns of type jsonb that another tool made.
"""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import (
    NOW,
    a_checkpoint,
    a_full_checkpoint,
    a_full_run,
    a_patch,
    a_run,
    an_event,
    but,
    ids,
)
from durable_core.errors import NotJsonSerializable
from durable_core.queries import RunQuery
from durable_core.records import StepError

__all__ = ["PayloadClauses"]

_JSON: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**53 - 1, 2**53 + 1, 10**30, -(10**30), 1.5, 1e-7, 5e-324, 1.7976931348623157e308),
    *(
        "",
        "hello",
        "123",
        "null",
        "true",
        '"quoted"',
        "{}",
        "[",
        " padded ",
        "a\nb\tc\r",
        "back\\slash",
        "'",
        "%s ? :x",
    ),
    *(
        "é",
        "e\u0301",
        "日本語",
        "\U0001f642",
        "\u202eRTL",
        "\u2028\u2029",
        "\x00",
        "a\x00b",
        "\x7f\x01",
        "\ufeff",
        "\uffff",
    ),
    *([], {}, [None], {"n": None}, {"": 0}, {"a": {"b": [1, {"c": []}]}}, [[[]]], {"k\x00": "\x00"}, {"é": {"🙂": 1}}),
)


class _Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class _Point:
    x: int
    y: float


#: What may be given, what comes back, and the text at rest.
_WRITTEN: tuple[tuple[Any, Any, str], ...] = (
    ((1, 2), [1, 2], "[1,2]"),
    (1.0, 1, "1"),
    (-0.0, 0, "0"),
    (1e16, 10**16, "10000000000000000"),
    (1e21, 1e21, "1e+21"),
    (1e-7, 1e-7, "1e-7"),
    (0.00001, 0.00001, "0.00001"),
    ({"b": 1, "a": 2, "B": 3, "é": 4}, {"b": 1, "a": 2, "B": 3, "é": 4}, '{"b":1,"a":2,"B":3,"é":4}'),
    ({1: "a", None: "c", 2.5: "d"}, {"1": "a", "null": "c", "2.5": "d"}, '{"1":"a","null":"c","2.5":"d"}'),
    ("é🙂", "é🙂", '"é🙂"'),
    ("\x00\x1f\x7f", "\x00\x1f\x7f", '"\\u0000\\u001f\x7f"'),
    ("\ud800", "\ud800", '"\\ud800"'),
    (_Color.RED, "red", '"red"'),
    (_Point(1, 2.5), {"x": 1, "y": 2.5}, '{"x":1,"y":2.5}'),
    (datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), "2026-01-02T03:04:05.678Z", '"2026-01-02T03:04:05.678Z"'),
    (date(2026, 1, 2), "2026-01-02", '"2026-01-02"'),
    (UUID(int=7), str(UUID(int=7)), f'"{UUID(int=7)}"'),
    (Decimal("1.10"), "1.10", '"1.10"'),
)


class PayloadClauses(ClauseGroup):
    """Run input and output, checkpoint input and output, signal and event payloads."""

    @clause("PAYLOAD-01")
    async def test_json_comes_back(self) -> None:
        for number, value in enumerate(_JSON):
            for read in await self._through_every_field(f"r{number}", value):
                _same(read, value)

    @clause("PAYLOAD-02")
    async def test_other_values_come_back_as_json(self) -> None:
        for number, (value, plain, _text) in enumerate(_WRITTEN):
            for read in await self._through_every_field(f"r{number}", value):
                _same(read, plain)

    @clause("PAYLOAD-03", needs=(Need.SQL,))
    async def test_payloads_at_rest(self) -> None:
        for number, (value, _plain, text) in enumerate(_WRITTEN):
            await self.store.save_checkpoint(a_checkpoint(number, output=value))
            (row,) = self.sql.execute(f"SELECT output FROM durable_step_checkpoints WHERE seq = {number}")
            assert row[0] == text, value
        await self.store.save_checkpoint(a_checkpoint(900, output=None))
        assert self.sql.execute("SELECT 1 FROM durable_step_checkpoints WHERE seq = 900 AND output IS NULL")

    @clause("PAYLOAD-04")
    async def test_what_json_cannot_hold_is_refused(self) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        naive = NOW.replace(tzinfo=None)
        await self.store.create_run(a_full_run())
        await self.store.save_checkpoint(a_full_checkpoint())
        for bad in (float("nan"), float("inf"), {1}, b"b", object(), cycle, naive, {(1, 2): 3}, Decimal("NaN"), print):
            with pytest.raises(NotJsonSerializable, match=r"input.*deep\[1\]"):
                await self.store.create_run(a_run("new", input={"deep": [0, bad]}))
            for field in ("input", "output"):
                with pytest.raises(NotJsonSerializable, match=field):
                    await self.store.update_run("r1", a_patch(**{field: bad}))
                with pytest.raises(NotJsonSerializable, match=field):
                    await self.store.save_checkpoint(a_checkpoint(**{field: bad}))
        assert ids(await self.store.list_runs(RunQuery())) == ["r1"]
        assert await self.store.get_run("r1") == a_full_run()
        assert await self.store.list_checkpoints("r1") == [a_full_checkpoint()]

    @clause("PAYLOAD-05")
    async def test_large_payloads(self) -> None:
        deep: Any = "bottom"
        for _ in range(500):
            deep = [deep]
        for seq, value in enumerate(("é" * 500_000, "x" * 1_000_000, deep, list(range(100_000)))):
            await self.store.save_checkpoint(a_checkpoint(seq, output=value))
            read = await self.store.get_checkpoint("r1", seq)
            assert read is not None
            assert read.output == value

    @clause("PAYLOAD-06", needs=(Need.SQL,))
    async def test_a_damaged_run(self) -> None:
        for field in ("input", "output", "error", "tags", "search_attributes"):
            await self.store.create_run(a_full_run(field))
            self.sql.execute(f"UPDATE durable_workflow_runs SET {field} = '{{damaged' WHERE id = '{field}'")
            expected = but(a_full_run(field), **{field: None}, decode_errors=(field,))
            assert await self.store.get_run(field) == expected
        await self.store.create_run(a_full_run("whole"))
        listed = await self.store.list_runs(RunQuery())
        assert [(one.id, one.decode_errors) for one in listed if one.decode_errors] == [
            (field, (field,)) for field in ("tags", "search_attributes", "output", "input", "error")
        ]
        assert len(listed) == 6

    @clause("PAYLOAD-07", needs=(Need.SQL,))
    async def test_a_damaged_checkpoint(self) -> None:
        fields = ("input", "output", "error", "events")
        for seq, field in enumerate(fields):
            await self.store.save_checkpoint(a_full_checkpoint(seq))
            self.sql.execute(f"UPDATE durable_step_checkpoints SET {field} = 'undefined' WHERE seq = {seq}")
        for seq, (field, read) in enumerate(zip(fields, await self.store.list_checkpoints("r1"), strict=True)):
            assert read == but(a_full_checkpoint(seq), **{field: None}, decode_errors=(field,))
            assert await self.store.get_checkpoint("r1", seq) == read

    @clause("PAYLOAD-08")
    async def test_failures_are_kept(self) -> None:
        errors = (
            StepError(message=""),
            StepError(message="é🙂\n\x00", code="E", retryable=True, stack="x" * 50_000),
            StepError(message="m", retryable=False),
        )
        for seq, error in enumerate(errors):
            await self.store.save_checkpoint(a_checkpoint(seq, error=error))
            await self.store.create_run(a_run(f"r{seq}", error=error))
            for read in (await self.store.get_checkpoint("r1", seq), await self.store.get_run(f"r{seq}")):
                assert read is not None
                assert read.error == error

    @clause("PAYLOAD-09", needs=(Need.SQL,))
    async def test_failures_at_rest(self) -> None:
        await self.store.save_checkpoint(
            a_checkpoint(error=StepError(message="m", code="E", retryable=False, stack="s"))
        )
        await self.store.save_checkpoint(a_checkpoint(1, error=StepError(message="m")))
        rows = self.sql.execute("SELECT error FROM durable_step_checkpoints ORDER BY seq")
        assert [row[0] for row in rows] == [
            '{"message":"m","code":"E","retryable":false,"stack":"s"}',
            '{"message":"m"}',
        ]

    async def _through_every_field(self, run_id: str, value: Any) -> list[Any]:
        await self.store.create_run(a_run(run_id, input=value, output=value))
        run = await self.store.get_run(run_id)
        await self.store.save_checkpoint(a_checkpoint(0, run_id, input=value, output=value))
        checkpoint = await self.store.get_checkpoint(run_id, 0)
        await self.store.buffer_signal(run_id, value)
        signal = await self.store.take_buffered_signal(run_id)
        await self.store.buffer_event(an_event(run_id, name=run_id, payload=value))
        (event,) = await self.store.list_buffered_events(run_id, 5)
        assert run is not None
        assert checkpoint is not None
        assert signal is not None
        return [run.input, run.output, checkpoint.input, checkpoint.output, signal.payload, event.payload]


def _same(read: Any, value: Any) -> None:
    # repr tells 1 from True and 1.0, and the order of keys, which == does not.
    assert repr(read) == repr(value)
