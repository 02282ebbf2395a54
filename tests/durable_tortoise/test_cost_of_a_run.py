"""What a whole run costs: the contract is at most 15 statements and 13 commits for ten steps on PostgreSQL."""

from __future__ import annotations

from tortoise.transactions import in_transaction

from durable_core import AsyncDurable, AsyncWorkflowContext
from durable_core.testing import FakeRuntime
from durable_tortoise import TortoiseStateStore
from tortoise_cells import Cell
from tortoise_statements import Asked, asked

STEPS = 10
#: By database: statements, commits. MariaDB has no UPDATE ... RETURNING, so that a claim there is a look, and a
#: transaction of a lock and an update, whose isolation is a statement too.
COST = {"sqlite": (14, 13), "postgres": (14, 13), "mysql": (17, 13)}
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


def test_a_ten_step_run_costs_what_the_contract_says(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            durable = AsyncDurable(TortoiseStateStore(cell.driver), runtime=FakeRuntime(blocking=False))

            @durable.step
            async def work(number: int) -> int:
                return number

            @durable.workflow(name="ten-steps")
            async def ten_steps(ctx: AsyncWorkflowContext) -> int:
                return sum([await ctx.step(work, number) for number in range(STEPS)])

            await durable.boot()
            with asked(idle):
                await durable.run_until_idle()
            with asked(ran):
                handle = await durable.start(ten_steps)
                await durable.run_until_idle()
            assert (await handle.get()).status == "completed"

    idle: list[Asked] = []
    ran: list[Asked] = []
    cell.run(test)

    # The last round found nothing, and the first one nothing but the run: what polling costs is not the run's.
    polls = 2 * len(statements(idle)) - 1
    writing_polls = 2 * writes(idle) - (1 if writes(idle) else 0)
    assert (len(statements(ran)) - polls, writes(ran) - writing_polls) == COST[cell.kind]
    assert begun(ran) == (1 if cell.kind == "mysql" else 0)


def test_a_run_that_the_hosts_transaction_starts_adds_one_statement_to_it(cell: Cell) -> None:
    async def test() -> None:
        async with cell.application():
            durable = AsyncDurable(TortoiseStateStore(cell.driver), runtime=FakeRuntime(blocking=False))

            @durable.workflow(name="flow")
            async def flow(_ctx: AsyncWorkflowContext) -> None:
                pass

            await durable.boot()
            with asked(heard):
                async with in_transaction(cell.driver):
                    await durable.start(flow)

    heard: list[Asked] = []
    cell.run(test)
    begin, insert, commit = (sql.split()[0] for sql, _ in heard)
    assert (begin, insert, commit) == ("BEGIN", "INSERT", "COMMIT")


def statements(heard: list[Asked]) -> list[str]:
    """Without what begins and ends a transaction."""
    return [sql for sql, _ in heard if not sql.startswith(("BEGIN", "COMMIT"))]


def writes(heard: list[Asked]) -> int:
    """Each is a commit of its own, or the only write of its transaction."""
    return sum(sql.startswith(WRITES) for sql, _ in heard)


def begun(heard: list[Asked]) -> int:
    return sum(sql.startswith("BEGIN") for sql, _ in heard)
