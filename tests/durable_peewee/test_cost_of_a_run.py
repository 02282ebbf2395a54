"""What a whole run costs: the contract is at most 15 statements and 13 commits for ten steps on PostgreSQL."""

from __future__ import annotations

from durable_core import Durable, WorkflowContext
from durable_core.testing import FakeRuntime
from peewee_cells import Cell, Ran

STEPS = 10
#: By backend: statements, commits. MariaDB has no UPDATE ... RETURNING, so that a claim there is a look, a lock and an
#: update; the last two are a transaction.
COST = {"sqlite": (14, 13), "postgres": (14, 13), "postgres3": (14, 13), "mariadb": (16, 13)}
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


def test_a_ten_step_run_costs_what_the_contract_says(cell: Cell) -> None:
    database = cell.database()
    durable = Durable(cell.store(database), runtime=FakeRuntime())

    @durable.step
    def work(number: int) -> int:
        return number

    @durable.workflow(name="ten-steps")
    def ten_steps(ctx: WorkflowContext) -> int:
        return sum(ctx.step(work, number) for number in range(STEPS))

    with database.connection_context():
        durable.boot()
        with Ran.on(database) as idle:
            durable.run_until_idle()
        with Ran.on(database) as ran:
            handle = durable.start(ten_steps)
            durable.run_until_idle()

    assert handle.get().status == "completed"
    # The last round found nothing, and the first one nothing but the run: what polling costs is not the run's.
    polls = 2 * len(idle) - 1
    writing_polls = 2 * writes(idle) - (1 if writes(idle) else 0)
    assert (len(ran) - polls, writes(ran) - writing_polls) == COST[cell.name]
    assert ran.begun == (1 if cell.name == "mariadb" else 0)


def writes(ran: Ran) -> int:
    """Each is a commit of its own, or the only write of its transaction."""
    return sum(sql.startswith(WRITES) for sql, _ in ran.statements)
