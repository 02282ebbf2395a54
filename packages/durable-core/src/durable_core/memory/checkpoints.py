"""Checkpoints: saved under a fence, read back by position or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from durable_core.errors import LeaseLost
from durable_core.memory.rows import Rows
from durable_core.memory.tables import CheckpointRow, Tables
from durable_core.records import StepCheckpoint
from durable_core.validation import check_checkpoint, check_identifier, check_int32, check_prefix

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints table."""

    def __init__(self, tables: Tables, rows: Rows) -> None:
        self._tables = tables
        self._rows = rows

    def save(self, checkpoint: StepCheckpoint, owner: str | None) -> None:
        """`StateStore.save_checkpoint`."""
        check_checkpoint(checkpoint)
        row = self._rows.checkpoint_row(checkpoint)
        if owner is not None:
            self.check_fence(row.run_id, check_identifier(owner, "owner"))
        self._tables.checkpoints.put(row)

    def check_fence(self, run_id: str, owner: str) -> None:
        """Raise `LeaseLost` unless *owner* holds the run."""
        run = self._tables.runs.get(run_id)
        if run is None or run.locked_by != owner:
            raise LeaseLost(run_id, owner)

    def get(self, run_id: str, seq: int) -> StepCheckpoint | None:
        """`StateStore.get_checkpoint`."""
        row = self._tables.checkpoints.get((check_identifier(run_id, "run id"), check_int32(seq, "checkpoint seq")))
        return None if row is None else self._rows.checkpoint(row)

    def of_run(self, run_id: str) -> list[StepCheckpoint]:
        """`StateStore.list_checkpoints`."""
        return self._in_order(self._tables.checkpoints.where(check_identifier(run_id, "run id")))

    def latest_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        """`StateStore.get_latest_checkpoint_by_name`."""
        check_identifier(name, "checkpoint name")
        rows = self._tables.checkpoints.where(check_identifier(run_id, "run id"))
        latest = max((row for row in rows if row.name == name), key=_seq, default=None)
        return None if latest is None else self._rows.checkpoint(latest)

    def by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        """`StateStore.list_checkpoints_by_name_prefix`."""
        starts = tuple(check_prefix(prefix, "checkpoint name prefix") for prefix in prefixes)
        rows = self._tables.checkpoints.where(check_identifier(run_id, "run id"))
        return self._in_order(row for row in rows if row.name.startswith(starts))

    def _in_order(self, rows: Iterable[CheckpointRow]) -> list[StepCheckpoint]:
        return [self._rows.checkpoint(row) for row in sorted(rows, key=_seq)]


def _seq(row: CheckpointRow) -> int:
    return row.seq
