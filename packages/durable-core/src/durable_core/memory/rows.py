"""Record ↔ row: what a SQL store would write and read back, so that both refuse and keep the same values."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from durable_core.codec import Codec
from durable_core.instants import to_utc
from durable_core.memory.tables import AttributeRow, CheckpointRow, EventRow, RunRow, SignalRow, WaiterRow
from durable_core.readable import READERS, attribute_index, readable_text
from durable_core.records import (
    DEFAULT_NAMESPACE,
    BufferedEvent,
    BufferedSignal,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)

__all__ = ["Rows", "attribute_rows", "read_tags", "waiter_of_row", "waiter_to_row"]

_log = logging.getLogger("durable")

_PAYLOADS: Final = ("input", "output")
_INSTANTS: Final = ("created_at", "updated_at", "started_at", "finished_at", "enqueued_at")


class Rows:
    """Maps records to rows through one codec."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def payload(self, value: object, field: str) -> str | None:
        """The text of a payload; None is NULL, which the codec never sees."""
        return None if value is None else self._codec.encode(value, field)

    def run_columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The columns for these fields of a run."""
        return {name: self._column(name, value, "run") for name, value in values.items()}

    def run_row(self, run: WorkflowRun) -> RunRow:
        """The row of *run*."""
        return RunRow(**self.run_columns({column.name: getattr(run, column.name) for column in fields(RunRow)}))

    def run(self, row: RunRow, *, payloads: bool = True) -> WorkflowRun:
        """The run in *row*; without *payloads* its input, output and error are None."""
        values = {column.name: getattr(row, column.name) for column in fields(RunRow)}
        if not payloads:
            values |= {"input": None, "output": None, "error": None}
        return WorkflowRun(**self._decoded(values, f"run {row.id!r}"))

    def checkpoint_row(self, checkpoint: StepCheckpoint) -> CheckpointRow:
        """The row of *checkpoint*."""
        values = {column.name: getattr(checkpoint, column.name) for column in fields(CheckpointRow)}
        if checkpoint.enqueued_at is None:
            values["enqueued_at"] = checkpoint.started_at
        return CheckpointRow(**{name: self._column(name, value, "checkpoint") for name, value in values.items()})

    def checkpoint(self, row: CheckpointRow) -> StepCheckpoint:
        """The checkpoint in *row*."""
        values = {column.name: getattr(row, column.name) for column in fields(CheckpointRow)}
        return StepCheckpoint(**self._decoded(values, f"checkpoint {row.seq} of run {row.run_id!r}"))

    def signal(self, row: SignalRow) -> BufferedSignal:
        """The payload in *row*."""
        values = self._decoded({"payload": row.payload}, f"buffered signal {row.id} for {row.token!r}")
        return BufferedSignal(payload=values["payload"])

    def event(self, row: EventRow) -> BufferedEvent:
        """The event in *row*."""
        values = self._decoded({"payload": row.payload}, f"buffered event {row.id!r}")
        return BufferedEvent(id=row.id, name=row.name, published_at_ms=row.published_at_ms, payload=values["payload"])

    def _column(self, name: str, value: Any, record: str) -> Any:
        field = f"{record} {name}"
        if value is None:
            return DEFAULT_NAMESPACE if name == "namespace" else None
        if name in _PAYLOADS:
            return self.payload(value, field)
        if name in READERS:
            return readable_text(name, value, field)
        if name in _INSTANTS:
            return to_utc(value, field)
        blank = name == "origin" and not value.strip(" ")
        return None if blank else value

    def _decoded(self, values: dict[str, Any], where: str) -> dict[str, Any]:
        damaged = []
        for name in (*_PAYLOADS, *READERS, "payload"):
            text = values.get(name)
            if text is None:
                continue
            decode = READERS.get(name, self._codec.decode)
            try:
                values[name] = decode(text)
            except (ValueError, RecursionError) as error:
                _log.warning("durable: the %s of %s is damaged and reads as None: %s", name, where, error)
                values[name] = None
                damaged.append(name)
        return values | {"decode_errors": tuple(damaged)}


def attribute_rows(run_id: str, text: str | None) -> list[AttributeRow]:
    """The rows that index the search attributes in *text*."""
    return [AttributeRow(run_id=run_id, **one._asdict()) for one in attribute_index(text)]


def waiter_to_row(waiter: SignalWaiter) -> WaiterRow:
    """The row of *waiter*."""
    return WaiterRow(token=waiter.token, run_id=waiter.run_id, seq=waiter.seq, parallel_group=waiter.parallel_group)


def waiter_of_row(row: WaiterRow) -> SignalWaiter:
    """The waiter in *row*."""
    return SignalWaiter(token=row.token, run_id=row.run_id, seq=row.seq, parallel_group=row.parallel_group)


def read_tags(text: str | None) -> tuple[str, ...]:
    """The tags in *text*; none where it is damaged."""
    try:
        return () if text is None else tuple(READERS["tags"](text))
    except (ValueError, RecursionError):
        return ()
