"""Whether the engine starts on a database, and works."""

from __future__ import annotations

import asyncio

from database_servers import BackendAddress
from durable_core import AsyncDurable, AsyncWorkflowContext
from durable_tortoise import TortoiseStateStore
from tortoise_databases import open_tortoise
from tortoise_models import DRIVER_OF

__all__ = ["boots_on"]


def boots_on(address: BackendAddress, *, auto_schema: bool = True) -> list[str]:
    """Boot, run a workflow of two steps, delete it again; the ids of the runs that are there."""
    return asyncio.run(_boots_on(address, auto_schema))


async def _boots_on(address: BackendAddress, auto_schema: bool) -> list[str]:
    async with await open_tortoise(address, DRIVER_OF[address.backend]) as context:
        store = TortoiseStateStore(context=context)
        durable = AsyncDurable(store, auto_schema=auto_schema)
        await durable.boot()

        @durable.step
        async def double(number: int) -> int:
            return 2 * number

        @durable.workflow(name="doubling")
        async def doubling(ctx: AsyncWorkflowContext, number: int) -> int:
            return await ctx.step(double, await ctx.step(double, number))

        handle = await durable.start(doubling, 3, id="probe")
        await durable.run_until_idle()
        assert await handle.result() == 12
        await store.delete_run("probe")
        return [run.id for run in await durable.list_runs()]
