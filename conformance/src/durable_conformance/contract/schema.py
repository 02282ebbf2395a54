"""The schema: made when absent, mended when short, left alone when it is somebody's own.

Processes that make it at once: process_races. Not yet: tables of other tools in every layout, and types that
change while a process runs.
"""

from __future__ import annotations

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import a_full_checkpoint, a_full_run, a_run, a_waiter
from durable_conformance.tables import COLUMNS, columns_of, drop_tables, forget_marker, indexes_of, tables_there
from durable_core.errors import SchemaMismatch, SchemaMissing
from durable_core.queries import RunQuery
from durable_core.store import StateStore

__all__ = ["SchemaClauses"]

#: Columns that older tables lack, by table.
_HEALED = {
    "durable_workflow_runs": ("tags", "search_attributes", "priority", "origin", "awaiting_decision_task_id"),
    "durable_step_checkpoints": ("events", "worker_group", "parallel_group", "enqueued_at", "input"),
    "durable_signal_waiters": ("parallel_group",),
}
_SQL, _SPOILS = (Need.SQL,), True


class SchemaClauses(ClauseGroup):
    """ensure_schema, verify_schema."""

    @clause("SCHEMA-01")
    async def test_ensuring_again_keeps_everything(self) -> None:
        await self.store.create_run(a_full_run())
        for store in (self.store, await self.open()):
            await store.ensure_schema()
            await store.verify_schema()
        assert await self.store.list_runs(RunQuery()) == [a_full_run()]

    @clause("SCHEMA-02", needs=_SQL, spoils_schema=_SPOILS)
    async def test_an_empty_database(self) -> None:
        drop_tables(self.sql)
        store = await self.open()
        await store.ensure_schema()
        assert COLUMNS.keys() <= tables_there(self.sql)
        for table, columns in COLUMNS.items():
            assert columns_of(self.sql, table).keys() == columns, table
        await self._expect_that_it_works(store)

    @clause("SCHEMA-03", needs=_SQL)
    async def test_ensuring_again_changes_nothing(self) -> None:
        before = self._catalogue()
        for store in (self.store, await self.open()):
            await store.ensure_schema()
        assert self._catalogue() == before

    @clause("SCHEMA-04", needs=_SQL, spoils_schema=_SPOILS)
    async def test_missing_columns_are_added(self) -> None:
        await self._save_one_of_each()
        for table, columns in _HEALED.items():
            for column in columns:
                self.sql.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        forget_marker(self.sql)
        store = await self.open()
        await store.ensure_schema()
        for table, columns in _HEALED.items():
            assert columns_of(self.sql, table).keys() == COLUMNS[table], columns
        run = await store.get_run("r1")
        assert run is not None
        assert (run.workflow, run.tags, run.origin) == ("checkout", None, None)
        (checkpoint,) = await store.list_checkpoints("r1")
        assert (checkpoint.events, checkpoint.enqueued_at) == (None, checkpoint.started_at)
        await self._expect_that_it_works(store)

    @clause("SCHEMA-05", needs=_SQL, spoils_schema=_SPOILS)
    async def test_a_missing_namespace_is_added(self) -> None:
        await self.store.create_run(a_run())
        for index in indexes_of(self.sql, "durable_workflow_runs"):
            if "namespace" in index:
                on = " ON durable_workflow_runs" if self.sql.dialect == "mysql" else ""
                self.sql.execute(f"DROP INDEX {index}{on}")
        self.sql.execute("ALTER TABLE durable_workflow_runs DROP COLUMN namespace")
        forget_marker(self.sql)
        store = await self.open()
        await store.ensure_schema()
        run = await store.get_run("r1")
        assert run is not None
        assert run.namespace == "default"
        assert [one.id for one in await store.list_pending_runs(9, "default")] == ["r1"]

    @clause("SCHEMA-06", needs=_SQL, spoils_schema=_SPOILS)
    async def test_dropped_tables_and_indexes_come_back(self) -> None:
        before = self._catalogue()
        self.sql.execute("DROP TABLE durable_signal_waiters")
        for table in COLUMNS:
            for index in indexes_of(self.sql, table) if table != "durable_signal_waiters" else ():
                on = f" ON {table}" if self.sql.dialect == "mysql" else ""
                self.sql.execute(f"DROP INDEX {index}{on}")
        store = await self.open()
        await store.ensure_schema()
        assert self._catalogue() == before
        await self._expect_that_it_works(store)

    @clause("SCHEMA-07", needs=_SQL, spoils_schema=_SPOILS)
    async def test_an_equivalent_index_serves(self) -> None:
        table = "durable_buffered_signals"
        on = f" ON {table}" if self.sql.dialect == "mysql" else ""
        for index in indexes_of(self.sql, table):
            self.sql.execute(f"DROP INDEX {index}{on}")
        self.sql.execute(f"CREATE INDEX somebody_elses_idx ON {table} (token)")
        forget_marker(self.sql)
        await (await self.open()).ensure_schema()
        assert indexes_of(self.sql, table) == {"somebody_elses_idx"}

    @clause("SCHEMA-08", needs=_SQL, spoils_schema=_SPOILS)
    async def test_other_things_are_left_alone(self) -> None:
        self.sql.execute("DROP TABLE IF EXISTS durable_of_somebody")
        if has_marker := "durable_schema_meta" in tables_there(self.sql):
            self.sql.execute("DELETE FROM durable_schema_meta WHERE id = 'durable'")
            self.sql.execute("INSERT INTO durable_schema_meta (id, fingerprint, applied_at) VALUES ('durable', 'f', 1)")
        self.sql.execute("CREATE TABLE durable_of_somebody (id integer PRIMARY KEY, origin varchar(20))")
        self.sql.execute("ALTER TABLE durable_workflow_runs ADD COLUMN extra varchar(20) DEFAULT 'mine'")
        self.sql.execute("CREATE INDEX extra_idx ON durable_workflow_runs (extra)")
        self.sql.execute("ALTER TABLE durable_signal_waiters DROP COLUMN parallel_group")
        theirs = columns_of(self.sql, "durable_of_somebody")
        extra = columns_of(self.sql, "durable_workflow_runs")["extra"]
        forget_marker(self.sql)
        store = await self.open()
        await store.ensure_schema()
        await store.verify_schema()
        assert columns_of(self.sql, "durable_of_somebody") == theirs
        assert columns_of(self.sql, "durable_workflow_runs")["extra"] == extra
        assert "extra_idx" in indexes_of(self.sql, "durable_workflow_runs")
        if has_marker:
            node = self.sql.execute("SELECT fingerprint, applied_at FROM durable_schema_meta WHERE id = 'durable'")
            assert [tuple(row) for row in node] == [("f", 1)], "the Node library's own marker"
        await self._expect_that_it_works(store)
        self.sql.execute("DROP TABLE durable_of_somebody")

    @clause("SCHEMA-09", needs=_SQL, spoils_schema=_SPOILS)
    async def test_verifying_names_the_ddl(self) -> None:
        self.sql.execute("DROP TABLE durable_buffered_events")
        self.sql.execute("ALTER TABLE durable_workflow_runs DROP COLUMN origin")
        before = tables_there(self.sql), columns_of(self.sql, "durable_workflow_runs")
        store = await self.open()
        with pytest.raises(SchemaMissing) as caught:
            await store.verify_schema()
        assert (tables_there(self.sql), columns_of(self.sql, "durable_workflow_runs")) == before
        for statement in caught.value.ddl:
            assert statement in str(caught.value)
            self.sql.execute(statement)
        await (await self.open()).verify_schema()
        await self._expect_that_it_works(await self.open())

    @clause("SCHEMA-10", needs=_SQL, spoils_schema=_SPOILS)
    async def test_verifying_an_empty_database(self) -> None:
        drop_tables(self.sql)
        with pytest.raises(SchemaMissing) as caught:
            await (await self.open()).verify_schema()
        for table in COLUMNS:
            assert table in str(caught.value)
        assert not COLUMNS.keys() & tables_there(self.sql)

    @clause("SCHEMA-11", needs=(Need.MYSQL,), spoils_schema=_SPOILS)
    async def test_whole_seconds_are_refused(self) -> None:
        self.sql.execute("ALTER TABLE durable_workflow_runs MODIFY locked_until datetime NULL")
        await self._expect_mismatch_and_mend("durable_workflow_runs", "locked_until")

    @clause("SCHEMA-12", needs=(Need.MYSQL,), spoils_schema=_SPOILS)
    async def test_keys_that_ignore_case_are_refused(self) -> None:
        self.sql.execute(
            "ALTER TABLE durable_signal_waiters MODIFY token varchar(191) "
            "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
        )
        await self._expect_mismatch_and_mend("durable_signal_waiters", "token")

    @clause("SCHEMA-13", needs=(Need.MYSQL,), spoils_schema=_SPOILS)
    async def test_positions_without_a_sign_are_refused(self) -> None:
        self.sql.execute("ALTER TABLE durable_step_checkpoints MODIFY seq int unsigned NOT NULL")
        await self._expect_mismatch_and_mend("durable_step_checkpoints", "seq")

    @clause("SCHEMA-14", needs=(Need.POSTGRES,), spoils_schema=_SPOILS)
    async def test_jsonb_payloads_are_refused(self) -> None:
        self.sql.execute("ALTER TABLE durable_workflow_runs ALTER COLUMN output TYPE jsonb USING output::jsonb")
        await self._expect_mismatch_and_mend("durable_workflow_runs", "output")

    @clause("SCHEMA-15", needs=(Need.POSTGRES,), spoils_schema=_SPOILS)
    async def test_epoch_numbers_are_refused(self) -> None:
        self.sql.execute("ALTER TABLE durable_buffered_events ALTER COLUMN published_at TYPE bigint USING 0")
        await self._expect_mismatch_and_mend("durable_buffered_events", "published_at", mends=False)

    @clause("SCHEMA-20", needs=_SQL, spoils_schema=_SPOILS)
    async def test_ensuring_at_once(self) -> None:
        async with self.racers(4) as crew:
            for _ in crew.rounds(4):
                drop_tables(self.sql)
                await crew.together(lambda store, _number: store.ensure_schema())
                await self._expect_that_it_works(self.store)

    async def _save_one_of_each(self) -> None:
        await self.store.create_run(a_full_run())
        await self.store.save_checkpoint(a_full_checkpoint())
        await self.store.put_signal_waiter(a_waiter())

    async def _expect_that_it_works(self, store: StateStore) -> None:
        await store.create_run(a_full_run("works"))
        await store.save_checkpoint(a_full_checkpoint(0, "works"))
        await store.put_signal_waiter(a_waiter("works", "works", 1, "p"))
        await store.buffer_signal("works", 1)
        assert await store.get_run("works") == a_full_run("works")
        assert await store.list_checkpoints("works") == [a_full_checkpoint(0, "works")]
        assert await store.take_signal_waiter("works") == a_waiter("works", "works", 1, "p")
        assert await store.take_buffered_signal("works") is not None
        await store.delete_run("works")

    async def _expect_mismatch_and_mend(self, table: str, column: str, *, mends: bool = True) -> None:
        before = columns_of(self.sql, table)
        forget_marker(self.sql)
        with pytest.raises(SchemaMismatch, match=column):
            await (await self.open()).ensure_schema()
        with pytest.raises(SchemaMismatch, match=column) as caught:
            await (await self.open()).verify_schema()
        assert table in str(caught.value)
        assert columns_of(self.sql, table) == before, "a type is never altered by us"
        if mends:
            for statement in caught.value.ddl:
                self.sql.execute(statement)
            await (await self.open()).verify_schema()

    def _catalogue(self) -> dict[str, object]:
        return {table: (columns_of(self.sql, table), indexes_of(self.sql, table)) for table in COLUMNS}
