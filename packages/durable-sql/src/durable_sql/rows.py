"""Record ↔ row, exactly once. The columns are those that `schema.tables` declares, in the kinds that it gives them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from durable_core.codec import Codec
from durable_core.instants import from_ms, to_ms, to_utc
from durable_core.readable import READERS, attribute_index, readable_text
from durable_core.records import (
    DEFAULT_NAMESPACE,
    BufferedEvent,
    BufferedSignal,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)
from durable_sql.dialect import Dialect
from durable_sql.schema.tables import CHECKPOINTS, EVENTS, RUNS, SIGNALS, Column, Kind, Table
from durable_sql.session import Row
from durable_sql.stored_instants import read_instant

__all__ = ["Rows", "attribute_rows", "waiter_of_row", "waiter_row"]

_log = logging.getLogger("durable")

#: Deadlines are milliseconds in the records; every other column has its field's name.
_FIELDS: Final = {"wake_at": "wake_at_ms", "locked_until": "locked_until_ms", "published_at": "published_at_ms"}
_RECORDS: Final = {RUNS: "run", CHECKPOINTS: "checkpoint", SIGNALS: "signal", EVENTS: "event"}


class Rows:
    """Maps records to rows through one codec."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def run_row(self, dialect: Dialect, run: WorkflowRun) -> dict[str, Any]:
        """The row of *run*."""
        return self._row(dialect, RUNS, {column.name: getattr(run, _field(column)) for column in RUNS.columns})

    def run_columns(self, dialect: Dialect, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The columns for `RunPatch.changes`."""
        columns = {column.name: _field(column) for column in RUNS.columns}
        return self._row(dialect, RUNS, {name: changes[field] for name, field in columns.items() if field in changes})

    def run(self, row: Row) -> WorkflowRun:
        """The run in *row*; columns that were not selected read as None."""
        values = self._values(RUNS, row, f"run {row['id']!r}")
        values["namespace"] = DEFAULT_NAMESPACE if values["namespace"] is None else values["namespace"]
        return WorkflowRun(**values)

    def checkpoint_row(self, dialect: Dialect, checkpoint: StepCheckpoint) -> dict[str, Any]:
        """The row of *checkpoint*."""
        values = {column.name: getattr(checkpoint, _field(column)) for column in CHECKPOINTS.columns}
        if checkpoint.enqueued_at is None:
            values["enqueued_at"] = checkpoint.started_at
        return self._row(dialect, CHECKPOINTS, values)

    def checkpoint(self, row: Row) -> StepCheckpoint:
        """The checkpoint in *row*."""
        values = self._values(CHECKPOINTS, row, f"checkpoint {row['seq']} of run {row['run_id']!r}")
        if values["enqueued_at"] is None:
            values["enqueued_at"] = values["started_at"]
        return StepCheckpoint(**values)

    def signal_payload(self, payload: Any) -> str | None:
        """The text of a signal's payload."""
        return None if payload is None else self._codec.encode(payload, "signal payload")

    def signal(self, row: Row) -> BufferedSignal:
        """The payload in *row*."""
        where = f"buffered signal {row['id']} for {row['token']!r}"
        return BufferedSignal(payload=self._values(SIGNALS, row, where)["payload"])

    def event_row(self, dialect: Dialect, event: BufferedEvent) -> dict[str, Any]:
        """The row of *event*."""
        return self._row(dialect, EVENTS, {column.name: getattr(event, _field(column)) for column in EVENTS.columns})

    def event(self, row: Row) -> BufferedEvent:
        """The event in *row*."""
        values = self._values(EVENTS, row, f"buffered event {row['id']!r}")
        del values["decode_errors"]
        return BufferedEvent(**values)

    def _row(self, dialect: Dialect, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {column.name: column.kind for column in table.columns}
        record = _RECORDS[table]
        return {name: self._written(dialect, kinds[name], name, value, record) for name, value in values.items()}

    def _written(self, dialect: Dialect, kind: Kind, name: str, value: Any, record: str) -> Any:
        field = f"{record} {name}"
        if value is None:
            return DEFAULT_NAMESPACE if name == "namespace" else None
        if kind is Kind.JSON:
            return readable_text(name, value, field) if name in READERS else self._codec.encode(value, field)
        if kind is Kind.INSTANT:
            return dialect.encode_instant(
                to_utc(value, field) if isinstance(value, datetime) else from_ms(value, field)
            )
        return (value.strip(" ") or None) if name == "origin" else value

    def _values(self, table: Table, row: Row, where: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        damaged: list[str] = []
        for column in table.columns:
            stored = row.get(column.name)
            if stored is not None and column.kind is Kind.INSTANT:
                stored = _read_instant(column, stored)
            elif stored is not None and column.kind is Kind.JSON:
                try:
                    stored = READERS.get(column.name, self._codec.decode)(stored)
                except (ValueError, RecursionError) as error:
                    place = f"{table.name}.{column.name} of {where}"
                    _log.warning("durable: %s is damaged and reads as None: %s", place, error)
                    stored = None
                    damaged.append(column.name)
            values[_field(column)] = stored
        values["decode_errors"] = tuple(damaged)
        return values


def attribute_rows(run_id: str, text: str | None) -> list[dict[str, Any]]:
    """The rows that index the search attributes in *text*."""
    return [{"run_id": run_id, **one._asdict()} for one in attribute_index(text)]


def waiter_row(waiter: SignalWaiter) -> dict[str, Any]:
    """The row of *waiter*."""
    return {
        "token": waiter.token,
        "run_id": waiter.run_id,
        "seq": waiter.seq,
        "parallel_group": waiter.parallel_group,
    }


def waiter_of_row(row: Row) -> SignalWaiter:
    """The waiter in *row*."""
    return SignalWaiter(token=row["token"], run_id=row["run_id"], seq=row["seq"], parallel_group=row["parallel_group"])


def _field(column: Column) -> str:
    return _FIELDS.get(column.name, column.name)


def _read_instant(column: Column, stored: Any) -> Any:
    instant = read_instant(stored, column.name)
    return to_ms(instant, column.name) if _field(column).endswith("_ms") else instant
