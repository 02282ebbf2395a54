"""Record ↔ row: what a SQL store would write and read back, so that both refuse and keep the same values."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from durable_core.codec import Codec, json_text
from durable_core.instants import to_utc
from durable_core.memory.tables import AttributeRow, CheckpointRow, EventRow, RunRow, SignalRow, WaiterRow
from durable_core.records import (
    DEFAULT_NAMESPACE,
    BufferedEvent,
    BufferedSignal,
    SignalWaiter,
    StepCheckpoint,
    StepError,
    WorkflowRun,
)

__all__ = ["Rows", "attribute_rows", "read_tags", "waiter_of_row", "waiter_to_row"]

_log = logging.getLogger("durable")

_PAYLOADS: Final = ("input", "output")
_READABLE: Final = ("error", "tags", "search_attributes", "events")
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
        if name in _READABLE:
            return json_text(_error_members(value) if name == "error" else value, field)
        if name in _INSTANTS:
            return to_utc(value, field)
        blank = name == "origin" and not value.strip(" ")
        return None if blank else value

    def _decoded(self, values: dict[str, Any], where: str) -> dict[str, Any]:
        damaged = []
        for name in (*_PAYLOADS, *_READABLE, "payload"):
            text = values.get(name)
            if text is None:
                continue
            decode = _DECODERS.get(name, self._codec.decode)
            try:
                values[name] = decode(text)
            except (ValueError, RecursionError) as error:
                _log.warning("durable: the %s of %s is damaged and reads as None: %s", name, where, error)
                values[name] = None
                damaged.append(name)
        return values | {"decode_errors": tuple(damaged)}


def attribute_rows(run_id: str, text: str | None) -> list[AttributeRow]:
    """The rows that index the search attributes in *text*: numbers as float64, booleans as text, None not at all."""
    attributes = {} if text is None else json.loads(text)
    return [_attribute_row(run_id, key, value) for key, value in attributes.items() if value is not None]


def waiter_to_row(waiter: SignalWaiter) -> WaiterRow:
    """The row of *waiter*."""
    return WaiterRow(token=waiter.token, run_id=waiter.run_id, seq=waiter.seq, parallel_group=waiter.parallel_group)


def waiter_of_row(row: WaiterRow) -> SignalWaiter:
    """The waiter in *row*."""
    return SignalWaiter(token=row.token, run_id=row.run_id, seq=row.seq, parallel_group=row.parallel_group)


def read_tags(text: str | None) -> tuple[str, ...]:
    """The tags in *text*; none where it is damaged."""
    try:
        return () if text is None else _read_tags(text)
    except (ValueError, RecursionError):
        return ()


def _attribute_row(run_id: str, key: str, value: str | float) -> AttributeRow:
    if isinstance(value, bool):
        return AttributeRow(run_id=run_id, key=key, str_value="true" if value else "false", num_value=None)
    if isinstance(value, str):
        return AttributeRow(run_id=run_id, key=key, str_value=value, num_value=None)
    return AttributeRow(run_id=run_id, key=key, str_value=None, num_value=float(value))


def _error_members(error: StepError) -> dict[str, Any]:
    members = {field.name: getattr(error, field.name) for field in fields(StepError)}
    return {name: value for name, value in members.items() if value is not None}


def _read_error(text: str) -> StepError:
    members = json.loads(text)
    if not isinstance(members, dict) or not isinstance(members.get("message"), str):
        raise ValueError(f"an error is an object with a message, got {members!r}")  # noqa: TRY004 - the text is wrong
    known: dict[str, Any] = {field.name: members.get(field.name) for field in fields(StepError)}
    return StepError(**known)


def _read_tags(text: str) -> tuple[str, ...]:
    tags = json.loads(text)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"tags are a list of texts, got {tags!r}")
    return tuple(tags)


def _read_attributes(text: str) -> dict[str, Any]:
    attributes = json.loads(text)
    if not isinstance(attributes, dict):
        raise ValueError(f"search attributes are an object, got {attributes!r}")  # noqa: TRY004 - the text is wrong
    return attributes


def _read_events(text: str) -> list[dict[str, Any]]:
    events = json.loads(text)
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError(f"events are a list of objects, got {events!r}")
    return events


_DECODERS: Final[dict[str, Callable[[str], Any]]] = {
    "error": _read_error,
    "tags": _read_tags,
    "search_attributes": _read_attributes,
    "events": _read_events,
}
