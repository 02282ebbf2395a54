"""What a whole run costs through Pony: the statements of the contract, and no transaction around one statement."""

from __future__ import annotations

from pony.orm import Database

from durable_core import Durable, WorkflowContext
from durable_core.testing import FakeRuntime
from durable_pony import PonyStateStore
from pony_cells import PonyCell

STEPS = 10
#: By backend: statements, writes. MariaDB has no UPDATE ... RETURNING, so that a claim there is a look, a lock and an
#: update, in a transaction whose isolation is a statement of its own; Pony counts it, as it counts no BEGIN and COMMIT.
COST = {"sqlite": (14, 13), "postgres": (14, 13), "mariadb": (17, 13)}
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


def test_a_ten_step_run_costs_what_the_contract_says(cell: PonyCell) -> None:
    database = cell.database()
    durable = Durable(PonyStateStore(database), runtime=FakeRuntime())

    @durable.step
    def work(number: int) -> int:
        return number

    @durable.workflow(name="ten-steps")
    def ten_steps(ctx: WorkflowContext) -> int:
        return sum(ctx.step(work, number) for number in range(STEPS))

    durable.boot()
    _ran(database)
    durable.run_until_idle()
    idle = _ran(database)
    handle = durable.start(ten_steps)
    durable.run_until_idle()
    ran = _ran(database)

    assert handle.get().status == "completed"
    # The last round found nothing, and the first one nothing but the run: what polling costs is not the run's.
    polls = 2 * len(idle) - 1
    writing_polls = 2 * _writes(idle) - (1 if _writes(idle) else 0)
    assert (len(ran) - polls, _writes(ran) - writing_polls) == COST[cell.name]


def _ran(database: Database) -> list[str]:
    """Every statement since this was asked last, by Pony's own statistics of the thread."""
    ran = [sql for sql, stat in database.local_stats.items() if sql is not None for _ in range(stat.db_count)]
    database.merge_local_stats()
    return ran


def _writes(ran: list[str]) -> int:
    return sum(sql.startswith(WRITES) for sql in ran)
