"""``durable-audit-tortoise``: hash every installed file, and survive being killed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import typer
from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from audit.command import LOOK_SECONDS, Asked, command_line
from audit.progress import progress_bar
from audit.table import Result
from audit_tortoise.database import opened, tortoise_url
from audit_tortoise.queries import leases_held, result, standing
from audit_tortoise.workflow import audit, durable

__all__ = ["audit_all", "main"]


async def audit_all(asked: Asked) -> Result | None:
    """Audit what was asked for; None if it was stopped before the end."""
    try:
        url = tortoise_url(asked.database)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--database") from None
    async with opened(url):
        run_ids = await _start(asked)
        return await result(run_ids) if await _work(run_ids, asked) else None


async def _start(asked: Asked) -> list[str]:
    """A run per distribution, all in one commit; those that are there already are found, and not started again."""
    async with in_transaction():
        return [(await durable.start(audit, target, id=target.run_id(asked.label))).id for target in asked.targets]


async def _work(run_ids: Collection[str], asked: Asked) -> bool:
    """Serve the runs in tasks of this program until they have ended or were stopped; tell whether they have."""
    gone = await leases_held(run_ids)
    now = await standing(run_ids, gone)
    if now.ended < len(run_ids):
        with progress_bar(asked.console, len(run_ids)) as show:
            async with durable.worker(concurrency=asked.concurrency):
                while now.ended < len(run_ids) and asked.stop.number is None:
                    await asyncio.sleep(LOOK_SECONDS)
                    now = await standing(run_ids, gone)
                    show(now)
    return now.ended == len(run_ids)


main = command_line(lambda asked: asyncio.run(audit_all(asked)), BaseORMException)
