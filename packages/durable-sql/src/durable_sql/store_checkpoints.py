"""Checkpoints: saved under a fence, read back by position or by name."""

from __future__ import annotations

from collections.abc import Sequence

from durable_core.errors import LeaseLost
from durable_core.records import Guard, StepCheckpoint
from durable_core.validation import check_checkpoint, check_identifier, check_int32, check_prefix
from durable_sql.rows import Rows
from durable_sql.session import Session, Statement
from durable_sql.statements import checkpoints, runs

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints table."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session = session
        self._rows = rows

    async def save(self, checkpoint: StepCheckpoint, owner: str | None) -> None:
        """`StateStore.save_checkpoint`."""
        check_checkpoint(checkpoint)
        dialect = self._session.dialect
        row = self._rows.checkpoint_row(dialect, checkpoint)
        if owner is None:
            await self._session.execute(checkpoints.save_checkpoint(dialect, row))
            return
        check_identifier(owner, "owner")
        if await self._session.execute(checkpoints.save_fenced(dialect, row, owner)):
            return
        if dialect.counts_changed_rows:
            # Equal values report 0 rows as well. An owner never comes back, so one that holds the run now did before.
            held = runs.check_guard(dialect, checkpoint.run_id, Guard(owner=owner), lock=True)
            if await self._session.fetch(held):
                return
        raise LeaseLost(checkpoint.run_id, owner)

    async def get(self, run_id: str, seq: int) -> StepCheckpoint | None:
        """`StateStore.get_checkpoint`."""
        check_identifier(run_id, "run id")
        check_int32(seq, "checkpoint seq")
        return await self._first(checkpoints.get_checkpoint(self._session.dialect, run_id, seq))

    async def of_run(self, run_id: str) -> list[StepCheckpoint]:
        """`StateStore.list_checkpoints`."""
        check_identifier(run_id, "run id")
        return await self._all(checkpoints.list_checkpoints(self._session.dialect, run_id))

    async def latest_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        """`StateStore.get_latest_checkpoint_by_name`."""
        check_identifier(run_id, "run id")
        check_identifier(name, "checkpoint name")
        return await self._first(checkpoints.latest_by_name(self._session.dialect, run_id, name))

    async def by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        """`StateStore.list_checkpoints_by_name_prefix`."""
        check_identifier(run_id, "run id")
        starts = [check_prefix(prefix, "checkpoint name prefix") for prefix in prefixes]
        if not starts:
            return []
        return await self._all(checkpoints.list_by_prefix(self._session.dialect, run_id, starts))

    async def _all(self, select: Statement) -> list[StepCheckpoint]:
        return [self._rows.checkpoint(row) for row in await self._session.fetch(select)]

    async def _first(self, select: Statement) -> StepCheckpoint | None:
        found = await self._session.fetch(select)
        return self._rows.checkpoint(found[0]) if found else None
