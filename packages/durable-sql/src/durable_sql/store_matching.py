"""Whether a conditional change found its row, on databases that count changed rows too."""

from __future__ import annotations

from durable_sql.session import Session, Statement

__all__ = ["matched"]


async def matched(session: Session, change: Statement, still_so: Statement) -> bool:
    """Run *change* and tell whether its condition held; *still_so* locks and returns the row if it does.

    Where 0 rows may mean equal values the condition is asked again under a lock, and the change made under it: what
    did not match a moment ago may match now.
    """
    if await session.execute(change):
        return True
    if not session.dialect.counts_changed_rows:
        return False
    async with session.transaction(read_committed=True):
        if not await session.fetch(still_so):
            return False
        await session.execute(change)
        return True
